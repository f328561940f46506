//! Priority inversion on one processor: with priority inheritance, who holds a section runs as urgently as who waits.

use dirql::synchronize::{Protected, Rank, Scheduling};
use dirql::{Error, ErrorKind, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const LOW: u8 = 10;
const MIDDLE: u8 = 20;
const HIGH: u8 = 30;
/// How long the thread in the middle keeps the processor, unless told to stop: an end to a machine that stands still.
const SPIN: Duration = Duration::from_millis(1500);
/// How long the others may take to get ready, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the thread of high priority found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It got the section while the one in the middle wanted the processor for itself.
    Inherited,
    /// It got the section only after the one in the middle had given up.
    Inverted,
}

/// The scenario with a section: a thread of low priority is in it, one of middle priority wants the processor for
/// itself, one of high priority wants the section.
///
/// # Errors
/// Where this process may not use `SCHED_FIFO`, or nothing came of it in time.
pub fn with_section() -> Result<Outcome> {
    let section = Protected::new(Rank::next(), ());
    run(&|inside| section.synchronize(|()| inside()).map_err(Error::from))
}

/// The same with a lock that inherits nothing: it shows that the scenario is one.
///
/// # Errors
/// As [`with_section`].
pub fn with_mutex() -> Result<Outcome> {
    let mutex = Mutex::new(());
    run(&|inside| match mutex.lock() {
        Ok(_held) => {
            inside();
            Ok(())
        }
        Err(_) => Err(Error::new(ErrorKind::Failure, "locking of a mutex")),
    })
}

/// Tries both, and prints what came of them.
///
/// # Errors
/// Where the section was inverted, or the mutex was not.
pub fn probe() -> Result<()> {
    let (section, mutex) = (with_section()?, with_mutex()?);
    println!("section: {section:?}, mutex: {mutex:?}");
    match (section, mutex) {
        (Outcome::Inherited, Outcome::Inverted) => Ok(()),
        outcome => Err(Error::new(ErrorKind::Failure, "priority inheritance").why(format!("{outcome:?}"))),
    }
}

type Lock<'a> = &'a (dyn Fn(&mut dyn FnMut()) -> Result<()> + Sync);

fn run(lock: Lock<'_>) -> Result<Outcome> {
    let here = Scheduling::of_this_thread()?;
    let cpus = here.allowed_cpus().unwrap_or_default();
    let last = cpus.last().copied().unwrap_or(0);
    let on = |priority| Scheduling::new().fifo(priority).cpus(&[last]);
    let (wake_middle, middle_wakes) = channel::<()>();
    let (wake_high, high_wakes) = channel::<()>();
    let (ready, got_ready) = channel::<()>();
    let (stop, gave_up) = (AtomicBool::new(false), AtomicBool::new(false));
    let late =
        || Error::new(ErrorKind::Failure, "priority inheritance").why(format!("not within {PATIENCE:?}"));
    let tell = move |event: &Sender<()>| event.send(()).map_err(|_| late());
    let wait = move |event: &Receiver<()>| event.recv_timeout(PATIENCE).map_err(|_| late());
    thread::scope(|scope| {
        let (stop, gave_up, tell, wait) = (&stop, &gave_up, &tell, &wait);
        let (high_ready, middle_ready) = (ready.clone(), ready);
        let high = scope.spawn(move || -> Result<Outcome> {
            on(HIGH).apply_to_this_thread()?;
            tell(&high_ready)?;
            wait(&high_wakes)?;
            let mut outcome = Outcome::Inherited;
            lock(&mut || {
                if gave_up.load(Ordering::SeqCst) {
                    outcome = Outcome::Inverted;
                }
            })?;
            stop.store(true, Ordering::SeqCst);
            Ok(outcome)
        });
        let middle = scope.spawn(move || -> Result<()> {
            on(MIDDLE).apply_to_this_thread()?;
            tell(&middle_ready)?;
            wait(&middle_wakes)?;
            // The one that it wakes takes the processor until it has to wait for the section.
            tell(&wake_high)?;
            let began = Instant::now();
            while !stop.load(Ordering::SeqCst) && !gave_up.load(Ordering::SeqCst) {
                gave_up.store(began.elapsed() > SPIN, Ordering::SeqCst);
            }
            Ok(())
        });
        let low = scope.spawn(move || -> Result<()> {
            on(LOW).apply_to_this_thread()?;
            for _ in 0..2 {
                wait(&got_ready)?;
            }
            // The one that it wakes takes the processor.
            let mut told = Ok(());
            lock(&mut || told = tell(&wake_middle))?;
            told
        });
        let (low, middle, high) = (joined(low.join()), joined(middle.join()), joined(high.join()));
        // Where a priority was refused, the highest was, and the others waited in vain.
        high.and_then(|outcome| middle.and(low).map(|()| outcome))
    })
}

fn joined<R>(answer: thread::Result<Result<R>>) -> Result<R> {
    answer.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Failure, "priority inheritance").why("a thread panicked"))
    })
}
