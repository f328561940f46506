//! Programs whose device goes away: by its own command register, or because the host takes it.

use dirql::dma::DmaMask;
use dirql::interrupt::{Best, Handled, Vector};
use dirql::pci::{Address, register};
use dirql::region::{Bar, Register};
use dirql::{Device, Error, ErrorKind, Result};
use std::path::Path;
use std::time::{Duration, Instant};

/// The first register: of edu its identification, of an e1000 CTRL.
const FIRST: Register<u32> = Register::new(0x00, "FIRST");
const INTERRUPT_STATUS: Register<u32> = Register::new(0x24, "INTERRUPT_STATUS");
const INTERRUPT_RAISE: Register<u32> = Register::new(0x60, "INTERRUPT_RAISE");
const INTERRUPT_ACKNOWLEDGE: Register<u32> = Register::new(0x64, "INTERRUPT_ACKNOWLEDGE");

const MEMORY_SPACE: u16 = 1 << 1;
const PATIENCE: Duration = Duration::from_secs(60);

/// Turns the device's memory off and reads its BAR, in a section.
pub fn vanish(address: Address) -> Result<()> {
    let device = Device::open(address)?;
    let (bar, config) = (device.bar(0)?, device.config());
    if !bar.is_mapped() {
        return Err(wrong(address, "its BAR is not mapped"));
    }
    let before = bar.read(FIRST)?;
    let vector = device.interrupts(Best)?.connect(0, (), |(), _| Handled::Yes)?;
    config.write(register::COMMAND, config.read::<u16>(register::COMMAND)? & !MEMORY_SPACE)?;
    told(address, "the read that faults", vector.synchronize(|()| bar.read(FIRST))?)?;
    told(address, "a later read", bar.read(FIRST))?;
    told(address, "a write", bar.write(FIRST, before))?;
    told(address, "waiting", bar.wait_for(FIRST, PATIENCE, |_| false))?;
    told(address, "the configuration space", config.ids())?;
    println!("it read {before:#x} before");
    Ok(())
}

/// Holds the device until the host wants it back, and then lets go of it.
pub fn hold(address: Address) -> Result<()> {
    let device = Device::open(address)?;
    device.set_bus_master(true)?;
    let lent = device.dma(DmaMask::FULL).buffer(4096)?.lend();
    let vector = device.interrupts(Best)?.connect(0, (), |(), _| Handled::Yes)?;
    let release = device.release_request();
    println!("holding, {}", if device.resettable() { "and it can be reset" } else { "and it has no reset" });
    if !release.wait(PATIENCE) {
        return Err(wrong(address, "nobody wanted it back"));
    }
    drop((vector, lent, device));
    println!("let go after {} requests", release.requests()?);
    Ok(())
}

/// Does not hear the host, and makes an edu interrupt until it is taken away. Says so, and lets go when `until` exists.
pub fn stubborn(address: Address, until: &Path) -> Result<()> {
    let device = Device::open(address)?;
    let bar = device.bar(0)?;
    bar.write(INTERRUPT_ACKNOWLEDGE, u32::MAX)?;
    device.set_bus_master(true)?;
    let lent = device.dma(DmaMask::bits(28)?).buffer(4096)?.lend();
    let registers = bar.clone();
    let mut interrupts = device.interrupts(Best)?;
    interrupts.on_fault(|fault| println!("the handler was told: {fault}"));
    let vector = interrupts.connect(0, 0_u64, move |handled, _| -> Result<Handled> {
        let status = registers.read(INTERRUPT_STATUS)?;
        registers.write(INTERRUPT_ACKNOWLEDGE, status)?;
        *handled += 1;
        Ok(Handled::Yes)
    })?;
    println!("started");
    let deadline = Instant::now() + PATIENCE;
    let release = device.release_request();
    let error = raise_until_refused(&bar, deadline)?;
    println!("asked {} times, and then: {error}", release.requests()?);
    told(address, "a read", bar.read(FIRST))?;
    told(address, "a write", bar.write(INTERRUPT_RAISE, 1))?;
    told(address, "the configuration space", device.config().ids())?;
    told(address, "memory", device.dma(DmaMask::bits(28)?).buffer(4096))?;
    told(address, "a reset", device.reset())?;
    println!("revoked");
    while !until.exists() {
        if Instant::now() >= deadline {
            return Err(wrong(address, "nobody said that it may end"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    drop((lent.reclaim(), device, bar, interrupts));
    println!("{} interrupts were handled", handled(&vector)?);
    Ok(())
}

/// Raises interrupts until the device says no more.
fn raise_until_refused(bar: &Bar, deadline: Instant) -> Result<Error> {
    while Instant::now() < deadline {
        if let Err(error) = bar.write(INTERRUPT_RAISE, 1) {
            return if error.is_gone() { Ok(error) } else { Err(error) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(wrong(bar.address(), "nobody took it"))
}

fn handled(vector: &Vector<u64>) -> Result<u64> {
    Ok(vector.disconnect()?.unwrap_or(0))
}

/// Fails unless a call says that the device is gone.
fn told<T>(address: Address, what: &str, result: Result<T>) -> Result<()> {
    match result {
        Err(error) if error.is_gone() => Ok(()),
        Err(error) => Err(wrong(address, &format!("{what} fails with: {error}"))),
        Ok(_) => Err(wrong(address, &format!("{what} goes through"))),
    }
}

fn wrong(address: Address, why: &str) -> Error {
    Error::new(ErrorKind::Failure, "removal").on(address).why(why)
}

/// Holds the device by its own descriptor alone, as a process that was given it by another, and does nothing more.
pub fn hide(address: Address) -> Result<()> {
    let device = Device::open(address)?;
    let failed = |what: &str| wrong(address, what);
    let entries =
        std::fs::read_dir("/proc/self/fd").map_err(|_| failed("it sees no descriptor of its own"))?;
    for entry in entries.flatten() {
        let node = std::fs::read_link(entry.path()).unwrap_or_default();
        let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if node.parent() == Some(Path::new("/dev/vfio"))
            && let Some(number) = number
        {
            nix::unistd::close(number).map_err(|_| failed("a node cannot be closed"))?;
        }
    }
    println!("hidden");
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).map_err(|_| failed("it cannot stop"))?;
    drop(device);
    Ok(())
}
