//! Handler and threads in each other's way, on an edu that interrupts all the time.

use dirql::interrupt::{Best, Handled};
use dirql::pci::Address;
use dirql::region::Register;
use dirql::{Device, Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const INTERRUPT_STATUS: Register<u32> = Register::new(0x24, "INTERRUPT_STATUS");
const INTERRUPT_RAISE: Register<u32> = Register::new(0x60, "INTERRUPT_RAISE");
const INTERRUPT_ACKNOWLEDGE: Register<u32> = Register::new(0x64, "INTERRUPT_ACKNOWLEDGE");

const THREADS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(100);

/// Two numbers that are equal whenever nobody is between them.
#[derive(Default)]
struct Pair {
    left: u64,
    right: u64,
    broken: u64,
}

impl Pair {
    fn advance(&mut self) {
        self.broken += u64::from(self.left != self.right);
        self.left += 1;
        // Whoever else is here now has the time to show it.
        std::hint::spin_loop();
        std::hint::black_box(&mut *self);
        self.right += 1;
    }
}

/// Eight threads and the handler advance the pair, until the threads have done so many sections.
pub fn run(address: Address, sections: u64) -> Result<()> {
    let device = Device::open(address)?;
    let bar = device.bar(0)?;
    bar.write(INTERRUPT_ACKNOWLEDGE, u32::MAX)?;
    // An MSI is a write to memory.
    device.set_bus_master(true)?;
    let registers = bar.clone();
    let mut interrupts = device.interrupts(Best)?;
    let pair = interrupts.connect(0, Pair::default(), move |pair, _event| -> Result<Handled> {
        let status = registers.read(INTERRUPT_STATUS)?;
        registers.write(INTERRUPT_ACKNOWLEDGE, status)?;
        pair.advance();
        Ok(Handled::Yes)
    })?;
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let deadline = Instant::now() + PATIENCE;
    thread::scope(|scope| -> Result<()> {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) && done.fetch_add(1, Ordering::Relaxed) < sections {
                    if pair.synchronize(Pair::advance).is_err() {
                        break;
                    }
                }
                over.store(true, Ordering::Relaxed);
            });
        }
        while !over.load(Ordering::Relaxed) && Instant::now() < deadline {
            bar.write(INTERRUPT_RAISE, 1)?;
        }
        over.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    let wrong = |why| Err(Error::new(ErrorKind::Failure, "exclusion").on(address).why(why));
    let (vector, taken) = (&pair, pair.disconnect()?);
    // A handler may run until then.
    let statistics = vector.statistics();
    let Some(pair) = taken else { return wrong("the state was taken before".to_owned()) };
    let (calls, interrupts) = (statistics.synchronize.calls, statistics.count);
    println!("{calls} sections, {interrupts} interrupts, {} and {}", pair.left, pair.right);
    if pair.broken != 0 || pair.left != pair.right {
        return wrong(format!("{} times somebody was between", pair.broken));
    }
    if pair.left != calls + statistics.calls {
        return wrong(format!("{} is not {calls} sections and {} handlers", pair.left, statistics.calls));
    }
    if calls < sections || interrupts == 0 {
        return wrong(format!(
            "{calls} sections of {sections} and {interrupts} interrupts within {PATIENCE:?}"
        ));
    }
    Ok(())
}
