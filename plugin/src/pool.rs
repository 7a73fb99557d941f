//! Work on the thread pool, watched by the thread that asked for it.
//!
//! In a browser a panic ends its thread for good, and whoever waits for that
//! thread in rayon waits for ever. So the asking thread never enters rayon: it
//! hands the work over and looks every [`TICK`] whether there is a result, news
//! or a death. Deaths are told by the panic hook ([`died`]) or, when a thread
//! is trapped without one (no memory, stack overflow), by the worker's script,
//! which stores a 1 at [`death_flag`].

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use crowdfold_zk::item::work::WorkProgress;

use crate::error::DoorError;

/// Time between two looks, and between two calls of the progress callback.
pub const TICK: Duration = Duration::from_millis(200);

static DEAD: AtomicU32 = AtomicU32::new(0);
static LAST_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// A thread of this instance has died, saying this.
pub fn died(words: String) {
    lock(&LAST_WORDS).get_or_insert(words);
    DEAD.store(1, Ordering::SeqCst);
}

/// Where a worker's script stores a 1 when its thread is trapped.
#[must_use]
pub fn death_flag() -> &'static AtomicU32 {
    &DEAD
}

fn death() -> Option<DoorError> {
    (DEAD.load(Ordering::SeqCst) != 0).then(|| {
        let words = lock(&LAST_WORDS).clone();
        DoorError::Died(words.unwrap_or_else(|| "a thread was trapped, perhaps for want of memory".to_owned()))
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the work and whoever waits for it share.
struct Desk<T> {
    result: Mutex<Option<Result<T, String>>>,
    ready: Condvar,
    news: Mutex<Option<WorkProgress>>,
    cancelled: AtomicBool,
}

/// The work's side of a desk.
pub struct Reporter<T>(Arc<Desk<T>>);

impl<T> Reporter<T> {
    /// Says what comes next; `Break` when the result is no longer wanted.
    pub fn tell(&self, progress: WorkProgress) -> ControlFlow<()> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        *lock(&self.0.news) = Some(progress);
        self.0.ready.notify_all();
        ControlFlow::Continue(())
    }
}

/// Runs `work` on the pool and waits. `watch` is called with every news and at
/// least every [`TICK`] once there was one; `false` asks the work to stop.
///
/// # Errors
/// [`DoorError::Died`] when the work panicked or a thread died.
pub fn run<T: Send + 'static>(
    work: impl FnOnce(&Reporter<T>) -> T + Send + 'static,
    watch: &mut dyn FnMut(WorkProgress) -> bool,
) -> Result<T, DoorError> {
    let desk = Arc::new(Desk {
        result: Mutex::new(None),
        ready: Condvar::new(),
        news: Mutex::new(None),
        cancelled: AtomicBool::new(false),
    });
    let reporter = Reporter(desk.clone());
    rayon::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&reporter)));
        *lock(&reporter.0.result) = Some(result.map_err(|panic| words(&*panic)));
        reporter.0.ready.notify_all();
    });
    loop {
        if let Some(death) = death() {
            return Err(death);
        }
        let news = *lock(&desk.news);
        if let Some(news) = news
            && !watch(news)
        {
            desk.cancelled.store(true, Ordering::Relaxed);
        }
        let mut result = lock(&desk.result);
        if result.is_none() {
            (result, _) = desk.ready.wait_timeout(result, TICK).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(result) = result.take() {
            return result.map_err(DoorError::Died);
        }
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
