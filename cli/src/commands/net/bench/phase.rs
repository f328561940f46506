//! The loops, run for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dirql::class::net::napi::Schedule;
use dirql::class::net::{Interest, Net};
use dirql::{Error, ErrorKind, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::counts::Counts;
use super::mover::{Mover, Shown, Work};
use crate::args::Wait;
use crate::signals::{SLICE, Stop};

/// How long the last frames may take to leave.
const DRAIN: Duration = Duration::from_secs(2);
/// How often somebody looks at what was counted.
const SECOND: Duration = Duration::from_secs(1);

/// How it went.
#[derive(Debug)]
pub struct Ran {
    pub counts: Counts,
    pub elapsed: Duration,
    /// Processor time, of all threads of the process.
    pub cpu: Duration,
    /// Frames of each whole second.
    pub per_second: Vec<u64>,
}

/// What is run.
pub struct Phase<'a> {
    pub work: &'a Work,
    pub wait: Wait,
    pub stop: &'a Stop,
}

impl Phase<'_> {
    /// Runs for so long, or until the user ends it. The first pair of rings is this thread's, so that nothing lies between
    /// its last frame and what the caller does next.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn run(&self, net: &mut dyn Net, time: Duration) -> Result<Ran> {
        let queues = net.queues();
        let wakers: Vec<Schedule> = queues.iter().map(|queue| queue.waker()).collect();
        let threads = queues.len() as u64;
        let shown: Vec<Shown> = queues.iter().map(|_| Shown::default()).collect();
        let (shown, ended) = (&*shown, &AtomicBool::new(false));
        let mut movers = queues.into_iter().zip(shown).map(|(queue, shown)| Mover {
            queue,
            work: self.work,
            wait: self.wait,
            threads,
            shown,
            ended,
        });
        thread::scope(|scope| {
            let own = movers.next();
            let (started, cpu) = (Instant::now(), cpu()?);
            let others: Vec<_> = movers.map(|mover| scope.spawn(|| mover.run())).collect();
            let per_second = scope.spawn(move || {
                let per_second = self.watch(shown, ended, started, time);
                wakers.iter().for_each(Schedule::schedule);
                per_second
            });
            let mut counts = own.map_or(Ok(Counts::default()), Mover::run);
            for other in others {
                let other = other.join().unwrap_or_else(|_| Err(panicked()));
                counts = counts.and_then(|counts| other.map(|other| counts.and(other)));
            }
            let (elapsed, cpu) = (started.elapsed(), self::cpu()?.saturating_sub(cpu));
            let per_second = per_second.join().map_err(|_| panicked())?;
            Ok(Ran { counts: counts?, elapsed, cpu, per_second })
        })
    }

    /// Looks each second at what was counted, and says when it is time to end.
    fn watch(&self, shown: &[Shown], ended: &AtomicBool, started: Instant, time: Duration) -> Vec<u64> {
        let end = started + time;
        let (mut per_second, mut before, mut next) = (Vec::new(), 0, started + SECOND);
        loop {
            self.stop.sleep_until(next.min(end));
            if next <= end && Instant::now() >= next {
                let now = shown.iter().map(Shown::frames).sum();
                per_second.push(now - before);
                (before, next) = (now, next + SECOND);
            }
            if Instant::now() >= end || self.stop.is_wanted() || ended.load(Ordering::Relaxed) {
                ended.store(true, Ordering::Relaxed);
                return per_second;
            }
        }
    }

    /// Waits until all that was sent has left; says where it has not.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn drain(&self, net: &mut dyn Net) -> Result<()> {
        let deadline = Instant::now() + DRAIN;
        for queue in net.queues() {
            loop {
                match queue.in_flight()? {
                    0 => break,
                    _ if self.stop.is_device_wanted() => break,
                    left if Instant::now() >= deadline => {
                        log::warn!("{left} frames have not left the ring after {} s", DRAIN.as_secs());
                        break;
                    }
                    _ => drop(queue.wait(Interest::Transmit, SLICE)?),
                }
            }
        }
        Ok(())
    }
}

/// Processor time of this process until now.
fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|errno| Error::os(errno, "asking for the processor time"))?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(microseconds).unwrap_or(0)))
}

fn panicked() -> Error {
    Error::new(ErrorKind::Failure, "measurement").why("a thread has panicked")
}
