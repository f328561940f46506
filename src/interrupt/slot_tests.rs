//! The slot, call by call; its races are for the models.

use super::slot::{Next, Slot};

#[test]
fn r26_queued_once_until_it_begins_and_never_after_the_stop() {
    let slot = Slot::new(true);
    assert_eq!(slot.next(), Next::Park);
    assert!(slot.queue() && !slot.queue());
    assert_eq!(slot.next(), Next::Run);
    assert!(slot.queue());
    slot.stop();
    assert!(!slot.queue());
    assert_eq!((slot.next(), slot.next()), (Next::Run, Next::End));
    assert!(!Slot::new(false).queue());
}
