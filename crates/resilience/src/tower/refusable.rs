//! The future of a call that may have been refused before it was made.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::refusal::Refusal;

pin_project! {
    /// A call, or the refusal in its place.
    #[project = RefusableProjection]
    #[derive(Debug)]
    pub enum Refusable<F> {
        /// The call is made.
        Made {
            #[pin]
            call: F,
        },
        /// It is not.
        Refused {
            // Taken when it is told.
            refusal: Option<Refusal>,
        },
    }
}

impl<F> Refusable<F> {
    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self::Refused { refusal: Some(refusal) }
    }
}

impl<F, T, E> Future for Refusable<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<Refusal>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RefusableProjection::Made { call } => call.poll(context),
            RefusableProjection::Refused { refusal } => {
                let refusal = refusal.take().expect("a future is not polled after its end");
                Poll::Ready(Err(refusal.into()))
            }
        }
    }
}
