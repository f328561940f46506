//! How the kernel schedules a thread: real-time priority and processors.

use std::fs;
use std::path::Path;

use nix::errno::Errno;

use super::thread;
use crate::{Error, ErrorKind, Result};

/// The priorities of `SCHED_FIFO`.
const PRIORITIES: std::ops::RangeInclusive<u8> = 1..=99;
/// The processors that the kernel can have, as far as any of its configurations go.
const MAX_CPUS: usize = 8192;
/// The processors that run, as a list of ranges.
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// The capability that lifts the limit, by its bit number.
const CAP_SYS_NICE: u32 = 23;

/// A set of processors as sched_setaffinity(2) wants it.
type CpuMask = [u64; MAX_CPUS / 64];

/// How a thread is scheduled, by the names of sched(7). What is not named stays as it is.
///
/// ```
/// use dirql::synchronize::Scheduling;
/// let here = Scheduling::of_this_thread()?;
/// let pinned = Scheduling::new().cpus(&here.allowed_cpus().unwrap()[..1]);
/// pinned.apply_to_this_thread()?;
/// assert_eq!(Scheduling::of_this_thread()?.allowed_cpus(), pinned.allowed_cpus());
/// # Ok::<(), dirql::Error>(())
/// ```
///
/// Source: sched(7); R17 of `docs/synchronize.md`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduling {
    fifo: Option<u8>,
    cpus: Option<Vec<usize>>,
}

impl Scheduling {
    /// Names nothing: the thread stays as it is.
    pub const fn new() -> Self {
        Self { fifo: None, cpus: None }
    }

    /// `SCHED_FIFO` with this priority, from 1 to 99, the highest.
    ///
    /// The thread then runs before every ordinary one, and before those of a lower priority, until it blocks.
    #[must_use]
    pub fn fifo(mut self, priority: u8) -> Self {
        self.fifo = Some(priority);
        self
    }

    /// Only on these processors.
    #[must_use]
    pub fn cpus(mut self, cpus: &[usize]) -> Self {
        let mut cpus = cpus.to_vec();
        cpus.sort_unstable();
        cpus.dedup();
        self.cpus = Some(cpus);
        self
    }

    /// The priority of `SCHED_FIFO`, where it is named.
    pub fn priority(&self) -> Option<u8> {
        self.fifo
    }

    /// The processors in ascending order, where they are named.
    pub fn allowed_cpus(&self) -> Option<&[usize]> {
        self.cpus.as_deref()
    }

    /// Applies it to the thread of this kernel id, as gettid(2) tells it. Nothing is applied where a value is invalid;
    /// the priority stands where only the processors are refused.
    ///
    /// # Errors
    /// `InvalidArgument` for a priority outside 1 to 99, for no processors, and for one that does not run;
    /// `Permission` where this process may not, with its limit; `NotFound` where there is no such thread.
    pub fn apply_to(&self, thread: u32) -> Result<()> {
        let mask = self.check()?;
        let id = kernel_id(thread)?;
        if let Some(priority) = self.fifo {
            let parameters = libc::sched_param { sched_priority: priority.into() };
            // SAFETY: the parameters are valid for the call, which keeps nothing.
            let answer = unsafe { libc::sched_setscheduler(id, libc::SCHED_FIFO, &raw const parameters) };
            Errno::result(answer).map_err(|errno| refused_priority(errno, priority, thread))?;
        }
        if let Some(mask) = mask {
            // SAFETY: the mask is valid for the call and of the size told.
            let answer = unsafe {
                libc::sched_setaffinity(id, size_of::<CpuMask>(), (&raw const mask).cast::<libc::cpu_set_t>())
            };
            Errno::result(answer).map_err(|errno| refused_cpus(errno, thread))?;
        }
        Ok(())
    }

    /// Applies it to this thread.
    ///
    /// # Errors
    /// As [`Scheduling::apply_to`].
    pub fn apply_to_this_thread(&self) -> Result<()> {
        self.apply_to(thread::id())
    }

    /// What the kernel says of the thread of this id. Its processors are always named, its priority where it is
    /// `SCHED_FIFO`.
    ///
    /// # Errors
    /// `NotFound` where there is no such thread.
    pub fn of(thread: u32) -> Result<Self> {
        let id = kernel_id(thread)?;
        let fail = |errno| {
            of_thread(Error::os(errno, format!("reading how thread {thread} is scheduled")), errno, thread)
        };
        // SAFETY: takes and returns numbers.
        let policy = Errno::result(unsafe { libc::sched_getscheduler(id) }).map_err(fail)?;
        let mut parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the parameters are valid for the call, which writes them.
        Errno::result(unsafe { libc::sched_getparam(id, &raw mut parameters) }).map_err(fail)?;
        let mut mask: CpuMask = [0; MAX_CPUS / 64];
        // SAFETY: the mask is valid for the call, which writes no more than the size told.
        let answer = unsafe {
            libc::sched_getaffinity(id, size_of::<CpuMask>(), (&raw mut mask).cast::<libc::cpu_set_t>())
        };
        Errno::result(answer).map_err(fail)?;
        let fifo = (policy & !libc::SCHED_RESET_ON_FORK == libc::SCHED_FIFO)
            .then(|| u8::try_from(parameters.sched_priority).unwrap_or(u8::MAX));
        let cpus = (0..MAX_CPUS).filter(|cpu| mask[cpu / 64] >> (cpu % 64) & 1 == 1).collect();
        Ok(Self { fifo, cpus: Some(cpus) })
    }

    /// What the kernel says of this thread.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn of_this_thread() -> Result<Self> {
        Self::of(thread::id())
    }

    /// Whether every value is valid; the processors as the kernel wants them.
    fn check(&self) -> Result<Option<CpuMask>> {
        let invalid = |what: &str, why: String| {
            Err(Error::new(ErrorKind::InvalidArgument, format!("choice of {what}")).why(why))
        };
        if let Some(priority) = self.fifo.filter(|priority| !PRIORITIES.contains(priority)) {
            return invalid("a real-time priority", format!("{priority} is not one of 1 to 99"));
        }
        let Some(cpus) = &self.cpus else { return Ok(None) };
        if cpus.is_empty() {
            return invalid("processors", "none are named".into());
        }
        let online = fs::read_to_string(Path::new(ONLINE)).unwrap_or_default();
        let mut mask: CpuMask = [0; MAX_CPUS / 64];
        for &cpu in cpus {
            // Where sysfs does not say, the kernel will.
            if cpu >= MAX_CPUS || !online.is_empty() && !is_in(&online, cpu) {
                let online = online.trim();
                return invalid("processors", format!("processor {cpu} does not run; these do: {online}"));
            }
            mask[cpu / 64] |= 1 << (cpu % 64);
        }
        Ok(Some(mask))
    }
}

/// Whether a list like `0-3,8` has the number.
fn is_in(list: &str, number: usize) -> bool {
    list.trim().split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&number),
            _ => false,
        }
    })
}

/// The id as the kernel takes it. For 0 it would take the calling thread.
fn kernel_id(thread: u32) -> Result<libc::pid_t> {
    libc::pid_t::try_from(thread).ok().filter(|&id| id > 0).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "choice of a thread")
            .why(format!("{thread} is the id of no thread"))
    })
}

fn refused_priority(errno: Errno, priority: u8, thread: u32) -> Error {
    let error = Error::os(errno, format!("raising of thread {thread} to SCHED_FIFO {priority}"));
    match errno {
        Errno::EPERM => explained(error, priority, rtprio_limit(), has_capability()),
        _ => of_thread(error, errno, thread),
    }
}

/// Says why a priority was refused, from what this process may.
fn explained(error: Error, priority: u8, limit: Option<u64>, has_capability: bool) -> Error {
    if has_capability || limit.is_none_or(|limit| limit >= u64::from(priority)) {
        return error
            .why("the limit would allow it: the thread is another user's, or its control group has no real-time time")
            .fix("for a control group of version 1, a share in its cpu.rt_runtime_us");
    }
    let limit = limit.unwrap_or(0);
    error
        .why(format!(
            "real-time priorities need CAP_SYS_NICE or a limit: RLIMIT_RTPRIO of this process is {limit}, \
             {priority} is wanted"
        ))
        .fix(format!(
            "ulimit -r {priority} (this shell, up to the hard limit) · \"$USER - rtprio {priority}\" in \
             /etc/security/limits.d/dirql.conf, then log in again · LimitRTPRIO={priority} in the systemd unit"
        ))
}

fn refused_cpus(errno: Errno, thread: u32) -> Error {
    let error = Error::os(errno, format!("pinning of thread {thread} to processors"));
    match errno {
        Errno::EINVAL => error.why("the control group of the thread leaves it none of them"),
        Errno::EPERM => error.why("the thread is another user's, and this process has no CAP_SYS_NICE"),
        _ => of_thread(error, errno, thread),
    }
}

fn of_thread(error: Error, errno: Errno, thread: u32) -> Error {
    match errno {
        Errno::ESRCH => error.kind_is(ErrorKind::NotFound).why(format!("there is no thread {thread}")),
        _ => error,
    }
}

/// RLIMIT_RTPRIO of this process; `None` for no limit.
fn rtprio_limit() -> Option<u64> {
    match nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_RTPRIO) {
        Ok((libc::RLIM_INFINITY, _)) => None,
        Ok((soft, _)) => Some(soft),
        Err(_) => Some(0),
    }
}

fn has_capability() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| set >> CAP_SYS_NICE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ranges_has_its_numbers() {
        assert!(is_in("0-3,8\n", 2) && is_in("0-3,8\n", 8) && is_in("0", 0));
        assert!(!is_in("0-3,8\n", 4) && !is_in("", 0));
    }

    #[test]
    fn r17_the_cause_of_a_refusal_is_told_with_its_figures() {
        let told =
            |limit, capable| explained(Error::os(Errno::EPERM, "raising"), 50, limit, capable).to_string();
        let limited = told(Some(10), false);
        for words in
            ["EPERM", "RLIMIT_RTPRIO of this process is 10", "ulimit -r 50", "limits.d", "LimitRTPRIO=50"]
        {
            assert!(limited.contains(words), "{words}: {limited}");
        }
        for other in [told(Some(50), false), told(None, false), told(Some(0), true)] {
            assert!(other.contains("control group") && !other.contains("ulimit"), "{other}");
        }
        assert_eq!(refused_priority(Errno::EPERM, 50, 1).kind(), ErrorKind::Permission);
        assert_eq!(refused_priority(Errno::EPERM, 50, 1).raw_errno(), Some(Errno::EPERM));
    }
}
