//! What happens when a thread dies. Alone in its process, because a death is final.

use std::sync::atomic::Ordering;

use crowdfold_plugin::{error::DoorError, pool};

#[test]
fn a_death_ends_the_wait_and_every_later_call() {
    let panicked = pool::run(|_| panic!("too bad"), &mut |_| true);
    let Err(DoorError::Died(words)) = panicked.map(|()| "a result") else { panic!("a panic must be told") };
    assert_eq!(words, "too bad");
    assert_eq!(pool::run(|_| 5, &mut |_| true).unwrap(), 5, "here a panic unwinds and kills nothing");

    // A thread that is trapped never answers; its script sets the flag.
    let waits = pool::run(
        |_| {
            pool::death_flag().store(1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_secs(3600));
        },
        &mut |_| true,
    );
    assert_eq!(waits.map_err(|error| error.code()), Err("died"));
    assert_eq!(pool::run(|_| 5, &mut |_| true).map_err(|error| error.code()), Err("died"));
    pool::died("out of memory".to_owned());
    let Err(DoorError::Died(words)) = pool::run(|_| 5, &mut |_| true) else { panic!("it is dead") };
    assert_eq!(words, "out of memory");
}
