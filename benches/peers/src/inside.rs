//! What the guest says of a contender at work: time, idle processors, threads, and its kernel's counter of frames.

use dirql_lab::{Guest, Result};

/// The guest at one moment, all by its own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inside {
    /// Seconds since the boot.
    pub uptime: f64,
    /// Seconds that processors were idle, of all of them together.
    pub idle: f64,
    /// The contender's processor time in seconds.
    pub time: f64,
    /// How often its threads gave way by themselves.
    pub switches: u64,
    /// What the kernel's interface has counted.
    pub counted: u64,
}

/// How many processors the guest has.
const PROCESSORS: f64 = 2.0;

impl Inside {
    /// Asks, for a process and an interface where there are such.
    pub fn of(guest: &Guest, process: Option<i32>, interface: Option<(&str, &str)>) -> Result<Inside> {
        let mut line = "cat /proc/uptime".to_owned();
        if let Some(pid) = process {
            line +=
                &format!("; cat /proc/{pid}/task/*/schedstat; grep -h ^voluntary /proc/{pid}/task/*/status");
        }
        if let Some((interface, counter)) = interface {
            line += &format!("; echo counted $(cat /sys/class/net/{interface}/statistics/{counter})");
        }
        let output = guest.shell(&line)?.ok()?;
        parse(&output.text()).ok_or_else(|| format!("not understood\n{output}").into())
    }

    /// What a second since then was like.
    pub fn since(self, then: Inside) -> Second {
        let seconds = (self.uptime - then.uptime).max(f64::MIN_POSITIVE);
        Second {
            busy: (PROCESSORS - (self.idle - then.idle) / seconds).max(0.0),
            time: (self.time - then.time) / seconds,
            switches: self.switches.saturating_sub(then.switches) as f64 / seconds,
            counted: self.counted.saturating_sub(then.counted) as f64 / seconds,
        }
    }
}

/// A second, as an average.
#[derive(Debug, Clone, Copy)]
pub struct Second {
    /// Seconds that processors were at work, of all of them together, whatever for.
    pub busy: f64,
    /// The contender's processor time in seconds.
    pub time: f64,
    /// How often its threads gave way by themselves.
    pub switches: f64,
    /// Frames that the kernel's interface counted.
    pub counted: f64,
}

fn parse(text: &str) -> Option<Inside> {
    let mut lines = text.lines();
    let (uptime, idle) = lines.next()?.split_once(' ')?;
    let mut inside = Inside { uptime: uptime.parse().ok()?, idle: idle.parse().ok()?, ..Inside::default() };
    for line in lines {
        let mut words = line.split_whitespace();
        match (words.next()?, words.next()?) {
            ("voluntary_ctxt_switches:", count) => inside.switches += count.parse::<u64>().ok()?,
            ("counted", count) => inside.counted = count.parse().ok()?,
            // Nanoseconds that ran, that waited, and time slices.
            (ran, _) => inside.time += ran.parse::<u64>().ok()? as f64 / 1e9,
        }
    }
    Some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up() {
        let early = parse("100.00 150.00\n").unwrap();
        let late = "104.00 154.00\n3000000000 5 1\n1000000000 6 2\nvoluntary_ctxt_switches:\t7\n\
                    voluntary_ctxt_switches:\t1\ncounted 4000\n";
        let second = parse(late).unwrap().since(early);
        assert_eq!((second.busy, second.time, second.switches, second.counted), (1.0, 1.0, 2.0, 1000.0));
        assert!(parse("100.00 150.00\nnonsense\n").is_none());
    }
}
