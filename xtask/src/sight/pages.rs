//! The pages of the book and their headings, to which alerts and panels link.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::tidy::headings;

/// Where links begin: a variable that says where the book is served.
const BASES: [&str; 2] = ["{{ $externalLabels.book }}/", "${book}/"];

/// Pages as the book builds them, each with the anchors of its headings.
#[derive(Debug)]
pub(super) struct Pages {
    anchors: BTreeMap<String, BTreeSet<String>>,
}

impl Pages {
    /// Reads the runbooks below the book's folder.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(super) fn read(docs: &Path) -> Result<Self> {
        let folder = docs.join("runbooks");
        let mut anchors = BTreeMap::new();
        for entry in fs::read_dir(&folder).context("could not list docs/runbooks")? {
            let path = entry?.path();
            let text = fs::read_to_string(&path)
                .with_context(|| format!("could not read {}", path.display()))?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let stem = if stem == "README" { "index".into() } else { stem };
            anchors.insert(format!("runbooks/{stem}.html"), headings(&text));
        }
        Ok(Self { anchors })
    }

    /// Looks a link up.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub(super) fn follow(&self, link: &str) -> Result<(), &'static str> {
        let path = BASES.iter().find_map(|base| link.strip_prefix(base));
        let path = path.ok_or("does not begin with the place of the book")?;
        let (page, anchor) = path.split_once('#').map_or((path, None), |(page, a)| (page, Some(a)));
        let anchors = self.anchors.get(page).ok_or("names a page that is not there")?;
        match anchor {
            Some(anchor) if !anchors.contains(anchor) => Err("names a heading that is not there"),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_heading_or_nowhere() {
        let anchors = headings("# A page\n\n## What to do, and when\n\ntext\n");
        let pages = Pages { anchors: BTreeMap::from([("runbooks/a.html".to_owned(), anchors)]) };
        for (link, is_good) in [
            ("${book}/runbooks/a.html", true),
            ("${book}/runbooks/a.html#what-to-do-and-when", true),
            ("{{ $externalLabels.book }}/runbooks/a.html#a-page", true),
            ("${book}/runbooks/a.html#text", false),
            ("${book}/runbooks/b.html", false),
            ("http://elsewhere/runbooks/a.html", false),
        ] {
            assert_eq!(pages.follow(link).is_ok(), is_good, "{link}");
        }
    }
}
