//! Refusals of the kernel, provoked one by one, and what the library says of each.
//!
//! Prints a JSON object: by the name of each provocation the error as its fields, or null where nothing was refused.

mod kernel;

use std::ptr::NonNull;

use dirql::backend::{IrqIndex, RegionIndex, Window};
use dirql::dma::DmaMask;
use dirql::host::Host;
use dirql::interrupt::{Best, Mode};
use dirql::pci::{Address, register};
use dirql::{Device, Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

/// What was provoked.
#[derive(Default)]
struct Told(Map<String, Value>);

impl Told {
    fn add<T>(&mut self, name: &str, outcome: Result<T>) {
        let error = outcome.err().map_or(Value::Null, |error| error.to_json()["error"].clone());
        self.0.insert(name.to_owned(), error);
    }

    fn print(self) -> Result<()> {
        println!("{}", Value::Object(self.0));
        Ok(())
    }
}

/// Provokes what `of` names, on the device.
pub fn run(of: &str, address: Address, more: &[&str]) -> Result<()> {
    match (of, more) {
        ("container", [other]) => container(address, other.parse()?),
        ("memory", []) => memory(address),
        ("interrupts", []) => interrupts(address),
        ("messages", []) => messages(address),
        ("registers", []) => registers(address),
        ("silence", []) => silence(address),
        ("twice", [other]) => twice(address, other.parse()?),
        _ => Err(Error::new(ErrorKind::InvalidArgument, "reading of the arguments")),
    }
}

/// The steps from the group to the device, in every wrong order. `other` is in another group.
fn container(address: Address, other: Address) -> Result<()> {
    let (host, mut told) = (Host::system(), Told::default());
    let group = host.openable(&host.function(address)?)?;
    let number = group.number;
    let open = |path: &std::path::Path| {
        kernel::open(path).map_err(|errno| host.explain_open_group(address, number, errno))
    };
    let (node, container) = (open(&group.node)?, open(&host.container_node())?);
    let get = |address| {
        kernel::get_device(&node, address).map_err(|errno| host.explain_get_device(address, number, errno))
    };
    let set = || {
        kernel::set_iommu(&container, kernel::TYPE1)
            .map_err(|errno| host.explain_set_iommu(address, number, errno))
    };
    let join = || {
        kernel::set_container(&node, &container)
            .map_err(|errno| host.explain_set_container(address, number, errno))
    };
    let memory = memmap2::MmapOptions::new()
        .len(4096)
        .map_anon()
        .map_err(|error| Error::io(&error, "allocation of memory"))?;
    let map = |flags| {
        kernel::map(&container, &memory, flags)
            .map_err(|errno| host.explain_map(address, errno, 0x1000, 4096, &host.limits(), &[]))
    };
    told.add("a device before the container", get(address));
    told.add("an IOMMU without a group", set());
    told.add("a mapping without an IOMMU", map(3));
    join()?;
    told.add("a second container", join());
    told.add("a device before the IOMMU", get(address));
    set()?;
    told.add("a second IOMMU", set());
    told.add("a device of another group", get(other));
    told.add("a mapping for nobody", map(0));
    let bind = kernel::bind_iommufd(&node, address);
    told.add(
        "a newer request",
        bind.map_err(|errno| host.explain_request(address, errno, "binding to an iommufd")),
    );
    told.print()
}

/// Mappings that are none. The container takes eight.
fn memory(address: Address) -> Result<()> {
    let (device, mut told) = (Device::open(address)?, Told::default());
    let backend = device.backend()?;
    let page = 4096_usize;
    let whole = kernel::memory(16 * page);
    let mut at = |offset: usize| NonNull::from(&mut whole[offset]);
    let nowhere = NonNull::without_provenance(std::num::NonZero::<usize>::MIN.saturating_add(0x0fff));
    let start = at(0);
    let mut map = |name: &str, iova: u64, memory: NonNull<u8>, len: usize| {
        told.add(name, kernel::let_reach(backend, iova, memory, len));
    };
    map("nothing", 0x10_0000, start, 0);
    map("an IOVA that is not aligned", 0x10_0010, start, page);
    map("a length that is not", 0x10_0000, start, page + 16);
    map("memory that is not", 0x10_0000, at(16), page);
    map("a range that wraps", u64::MAX - 4095, start, 2 * page);
    map("the window of interrupts", 0xfee0_0000, start, page);
    map("more bits than there are", 1 << 50, start, page);
    map("no memory", 0x10_0000, nowhere, page);
    for index in 0..8 {
        kernel::let_reach(backend, 0x20_0000 + (index * page) as u64, at(index * page), page)?;
    }
    map("one too many", 0x40_0000, at(8 * page), page);
    map("an overlap", 0x20_0000, at(9 * page), page);
    told.add("beyond the device", device.dma(DmaMask::bits(12)?).buffer(64));
    told.print()
}

/// Interrupts that cannot be, on a function with INTx, one MSI and five MSI-X.
fn interrupts(address: Address) -> Result<()> {
    let (device, mut told) = (Device::open(address)?, Told::default());
    let backend = device.backend()?;
    let set = |index, start, count: usize| backend.set_trigger(index, start, &vec![None; count]);
    told.add("two of INTx", set(IrqIndex::Intx, 0, 2));
    told.add("more MSI-X than there are", set(IrqIndex::Msix, 0, 4096));
    if backend.irq(IrqIndex::Error)?.count == 0 {
        told.add("errors of no PCI Express", set(IrqIndex::Error, 0, 1));
        told.add("an error source of no PCI Express", device.error_source((), |(), _| ()));
    }
    told.add("a mask of MSI", backend.unmask(IrqIndex::Msi, 0));
    if backend.irq(IrqIndex::Msix)?.count > 1 {
        set(IrqIndex::Msix, 0, 1)?;
        told.add("INTx beside MSI-X", set(IrqIndex::Intx, 0, 1));
        told.add("MSI-X that grows", set(IrqIndex::Msix, 1, 4));
        backend.release(IrqIndex::Msix)?;
    } else {
        told.add("no MSI-X", device.interrupts(Mode::Msix));
    }
    told.print()
}

/// A function with 16 MSI on a machine that gives it one.
fn messages(address: Address) -> Result<()> {
    let (device, mut told) = (Device::open(address)?, Told::default());
    told.add("sixteen", device.interrupts(Mode::Msi));
    let best = device.interrupts(Best)?;
    let had = json!({ "mode": best.mode().map(|mode| mode.to_string()), "count": best.count() });
    told.0.insert("the best".into(), had);
    told.print()
}

/// Regions that cannot be reached. A window is of the BAR's whole length.
fn registers(address: Address) -> Result<()> {
    let (device, mut told) = (Device::open(address)?, Told::default());
    let backend = device.backend()?;
    for bar in 0..6 {
        let region = backend.region(RegionIndex(bar))?;
        if region.len > 0 {
            let window = Window { offset: 0, len: region.len };
            told.add(&format!("mapping of BAR {bar}"), backend.map(RegionIndex(bar), window));
        }
    }
    let mut word = [0; 4];
    let at = u64::from(register::COMMAND);
    let mut command = [0; 2];
    backend.read(RegionIndex::CONFIG, at, &mut command)?;
    backend.write(RegionIndex::CONFIG, at, &[command[0] & !2, command[1]])?;
    told.add("without memory decoding", backend.read(RegionIndex(0), 0, &mut word));
    backend.write(RegionIndex::CONFIG, at, &command)?;
    let config = device.config().snapshot()?;
    if let Some(power) =
        config.capabilities().find(|capability| capability.id == register::CAPABILITY_POWER_MANAGEMENT)
    {
        let status = u64::from(power.offset) + 4;
        backend.write(RegionIndex::CONFIG, status, &[3, 0])?;
        told.add("asleep", backend.read(RegionIndex(0), 0, &mut word));
        backend.write(RegionIndex::CONFIG, status, &[0, 0])?;
    }
    told.print()
}

/// A device, and another of its group or itself, in one process.
fn twice(address: Address, other: Address) -> Result<()> {
    let mut told = Told::default();
    let _device = Device::open(address)?;
    told.add("itself", Device::open(address));
    told.add("its neighbour", Device::open(other));
    told.print()
}

/// edu is told to read memory that it cannot, and nothing comes of it.
fn silence(address: Address) -> Result<()> {
    const SOURCE: u64 = 0x80;
    const DESTINATION: u64 = 0x88;
    const COUNT: u64 = 0x90;
    const COMMAND: u64 = 0x98;
    let (device, mut told) = (Device::open(address)?, Told::default());
    let mut interrupts = device.interrupts(Mode::Msi)?;
    let vector = interrupts.connect(0, (), |(), _| dirql::interrupt::Handled::Yes)?;
    let backend = device.backend()?;
    let late = || Error::new(ErrorKind::Device, "DMA").why("the buffer does not change");
    let buffer = device.dma(DmaMask::bits(28)?).buffer(64)?.lend();
    let copy = |from: u64| -> Result<()> {
        for (register, value) in [(SOURCE, from), (DESTINATION, 0x4_0000), (COUNT, 64), (COMMAND, 1)] {
            backend.write(RegionIndex(0), register, &value.to_le_bytes())?;
        }
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut command = [0; 8];
        loop {
            backend.read(RegionIndex(0), COMMAND, &mut command)?;
            if command[0] & 1 == 0 {
                return Ok(());
            }
            if std::time::Instant::now() > deadline {
                return Err(late());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    copy(buffer.iova().0)?;
    told.add("bus mastering is off", Err::<(), _>(device.explain_silence(late(), "")));
    device.set_bus_master(true)?;
    copy(0x500_0000)?;
    told.add("not mapped", Err::<(), _>(device.explain_silence(late(), "next 1, done 0")));
    drop(vector);
    told.print()
}
