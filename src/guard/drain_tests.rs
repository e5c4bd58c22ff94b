//! The drain, under a clock that is turned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::guard::Drain;

#[tokio::test(start_paused = true)]
async fn running_work_finishes_before_the_deadline() {
    let drain = Drain::new();
    let work = drain.spawn(async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        7
    });
    assert!(!drain.is_draining());
    assert_eq!(drain.finish(Duration::from_secs(30)).await, 0);
    assert!(drain.is_draining());
    assert_eq!(work.await.expect("it was not cancelled"), 7);
}

#[tokio::test(start_paused = true)]
async fn work_that_listens_ends_by_itself_and_is_counted() {
    let drain = Drain::new();
    let listener = drain.clone();
    let work = drain.spawn(async move {
        listener.cancelled().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        "cleaned up"
    });
    assert_eq!(drain.finish(Duration::from_secs(1)).await, 1);
    assert_eq!(work.await.expect("it ended by itself"), "cleaned up");
}

#[tokio::test(start_paused = true)]
async fn work_that_never_ends_is_dropped() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let drain = Drain::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = Dropped(Arc::clone(&dropped));
    let work = drain.spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    assert_eq!(drain.finish(Duration::from_secs(1)).await, 1);
    assert!(dropped.load(Ordering::SeqCst));
    assert!(work.await.expect_err("it was cancelled").is_cancelled());
}

#[tokio::test]
async fn the_beginning_is_seen_by_everybody() {
    let drain = Drain::new();
    let other = drain.clone();
    let seen = tokio::spawn(async move { other.draining().await });
    drain.begin();
    seen.await.expect("it resolved");
}
