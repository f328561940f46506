//! The backlog, call by call; its races are for the models.

use super::backlog::Backlog;

#[test]
fn r21_what_is_kept_is_taken_once() {
    let backlog = Backlog::default();
    let is_resumed = || backlog.activate(|| Err(())).is_err();
    assert!(!is_resumed());
    backlog.deactivate();
    assert!(!backlog.keep(2, || !backlog.is_inactive()));
    assert!(!backlog.keep(3, || !backlog.is_inactive()));
    assert!(is_resumed() && !is_resumed());
    assert_eq!((backlog.take(), backlog.take()), (5, 0));
    assert!(backlog.keep(1, || !backlog.is_inactive()));
    assert_eq!(backlog.take(), 1);
}
