//! The macro that defines a section of the configuration: its fields and what is said of them, side by side.

/// Defines a section: every field with its meaning, its default, what it takes, and what holds without a value if there is no
/// default either. Unknown fields are refused. The top level names the other sections after its own fields.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident $prefix:literal {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr, $takes:expr $(, $unset:expr)?;)+
        }
        $(and { $($inner:ident: $section:ident,)+ })?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $field: $type,)+
            $($(pub(crate) $inner: $section,)+)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ $($($inner: $section::default(),)+)? }
            }
        }

        impl $name {
            /// What is said of it.
            pub(crate) const SECTION: $crate::keys::Section = $crate::keys::Section {
                prefix: $prefix,
                doc: concat!($($about),+),
                keys: &[$($crate::keys::Key {
                    path: concat!($prefix, stringify!($field)),
                    takes: $takes,
                    unset: $crate::section::unset!($($unset)?),
                    doc: concat!($($doc),+),
                },)+],
            };

            $(
                /// This one and those in it.
                pub(crate) const SECTIONS: &[$crate::keys::Section] =
                    &[Self::SECTION, $($section::SECTION,)+];
            )?
        }
    };
}
pub(crate) use section;

/// What holds without a value: what is said, or that there is nothing.
macro_rules! unset {
    () => {
        $crate::keys::Unset::Absent
    };
    ($unset:expr) => {
        $unset
    };
}
pub(crate) use unset;
