//! Room for pieces of data on their way to plugins.
//!
//! A piece is 256 KiB, and a peer that asks and does not read would have the
//! node keep its pieces in queues. So a piece has a permit from the request
//! until the peer is known to have read it ([`super::endpoint`]): a few per
//! session, a bounded number over all. Without one the request is refused as
//! busy.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room of all sessions together.
#[derive(Clone, Debug)]
pub(super) struct DataBudget(Arc<Semaphore>);

/// One session's share.
#[derive(Clone, Debug)]
pub(super) struct SessionBudget {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

/// Room for one piece until it is dropped.
#[derive(Debug)]
pub(super) struct DataPermit {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl DataBudget {
    pub(super) fn new(pieces: usize) -> Self {
        Self(Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))))
    }

    pub(super) fn session(&self, pieces: usize) -> SessionBudget {
        SessionBudget { all: self.0.clone(), own: Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))) }
    }
}

impl SessionBudget {
    /// Room for a piece, if there is any.
    pub(super) fn take(&self) -> Option<DataPermit> {
        let own = self.own.clone().try_acquire_owned().ok()?;
        Some(DataPermit { _all: self.all.clone().try_acquire_owned().ok()?, _own: own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_session_nor_all_together_have_more_than_their_room() {
        let all = DataBudget::new(3);
        let (a, b) = (all.session(2), all.session(2));
        let held = [a.take(), a.take()];
        assert!(held.iter().all(Option::is_some) && a.take().is_none(), "its own is used up");
        let of_b = b.take();
        assert!(of_b.is_some() && b.take().is_none(), "all is used up");
        drop(held);
        assert!(b.take().is_some() && a.take().is_some(), "what was refused has taken nothing");
    }
}
