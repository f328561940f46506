//! E9 to E15: an opened device's memory, interrupts and registers, and its end.

use super::*;
use crate::Device;
use crate::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use crate::dma::DmaMask;
use crate::host::{IrqRequest, RestoreOptions};
use crate::interrupt::{Handled, Mode, Request};
use crate::presence::Presence;
use crate::{ErrorKind, silence};

pub(super) fn rows() -> Vec<Row> {
    [memory(), interrupts(), registers(), holders(), age(), silent()].into_iter().flatten().collect()
}

/// A device whose registers do nothing.
struct Nothing;

impl Model for Nothing {
    fn read(&mut self, _bus: &Bus, _bar: u8, _offset: u64, _data: &mut [u8]) {}
    fn write(&mut self, _bus: &Bus, _bar: u8, _offset: u64, _data: &[u8]) {}
}

/// A device in this process.
fn device(change: impl FnOnce(&mut ModelConfig)) -> (Device, Bus) {
    let mut config = ModelConfig::new(0x8086, 0x100e);
    config.bars[0] = 4096;
    change(&mut config);
    let backend = ModelBackend::new(config, Nothing);
    let bus = backend.bus();
    (Device::from_backend(backend).unwrap(), bus)
}

/// E9 and E10: memory for the device.
fn memory() -> Vec<Row> {
    let (machine, host) = pair(Some("vfio-pci"), None);
    machine.limits(8192, 4096, "0000000000000000");
    let ranges = [0..=0xfedf_ffff, 0xfef0_0000..=0x7f_ffff_ffff];
    let map =
        |errno, iova, length, ranges| host.explain_map(nic(), errno, iova, length, &host.limits(), ranges);
    let figures = ["4097 KiB are needed and 4096 KiB are locked", "LimitMEMLOCK=8193K"];
    let before = host.explain_memlock(nic(), &host.limits(), 4097 << 10).unwrap();
    assert_eq!(before.to_json()["error"]["code"], "E9");
    let refused = map(Errno::ENOMEM, 0x1000, 4097 << 10, &ranges[..]);
    assert_eq!((refused.cause(), refused.remedy()), (before.cause(), before.remedy()));
    let fields = refused.to_json();
    assert_eq!(
        (&fields["error"]["iova"], &fields["error"]["length"]),
        (&0x1000.into(), &(4097 << 10).into())
    );
    let mut rows = vec![row(Code::E9, Errno::ENOMEM, 3, figures, refused)];
    machine.limits(8192, 4096, "000001ffffffffff");
    let none = map(Errno::ENOMEM, 0x1000, 4096, &ranges[..]);
    rows.push(row(Code::E9, Errno::ENOMEM, 3, ["the kernel has no memory", "free some"], none));

    machine.file("sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "7\n");
    for (errno, exit, iova, length, ranges, why) in [
        (Errno::EINVAL, 2, 0, 0, &ranges[..], "length is 0"),
        (Errno::EINVAL, 2, 0x10, 4096, &ranges[..], "multiples of the page size"),
        (Errno::EINVAL, 2, u64::MAX - 4095, 8192, &ranges[..], "wraps around"),
        (Errno::EINVAL, 2, 1 << 39, 4096, &ranges[..], "0x7fffffffff"),
        (Errno::EINVAL, 2, 0xfee0_0000, 4096, &[], "reserves for interrupts"),
        (Errno::EINVAL, 2, 0x1000, 4096, &ranges[..], "neither readable nor writable"),
        (Errno::EEXIST, 2, 0x1000, 4096, &ranges[..], "overlaps"),
        (Errno::EFAULT, 2, 0x1000, 4096, &ranges[..], "memory behind the mapping is not there"),
    ] {
        rows.push(row(Code::E10, errno, exit, [why, "Device::dma"], map(errno, iova, length, ranges)));
    }
    let full = map(Errno::ENOSPC, 0x1000, 4096, &ranges[..]);
    rows.push(row(Code::E10, Errno::ENOSPC, 3, ["7 mappings are used up", "larger pieces"], full));
    let (device, _bus) = device(|config| config.iova_ranges = vec![1 << 32..=1 << 33]);
    let beyond = device.dma(DmaMask::bits(28).unwrap()).buffer(16).unwrap_err();
    rows.push(row(Code::E10, None, 3, ["below 0xfffffff", "ask for less"], beyond));
    rows
}

/// E11: on a device in this process, by the kernel's rules.
fn interrupts() -> Vec<Row> {
    let (device, _bus) = device(|config| {
        (config.intx, config.msi, config.vectors_available) = (true, 4, 2);
    });
    let fewer = device.interrupts(Request::from(Mode::Msi)).unwrap_err();
    let none = device.interrupts(Request::from(Mode::Msix)).unwrap_err();
    let errors = device.error_source((), |(), _| ()).unwrap_err();
    let backend = device.backend().unwrap();
    use crate::backend::IrqIndex::{Intx, Msi};
    let beyond = backend.set_trigger(Msi, 0, &[None; 5]).unwrap_err();
    let two = backend.set_trigger(Intx, 0, &[None; 2]).unwrap_err();
    let mask = backend.unmask(Msi, 0).unwrap_err();
    assert_eq!(backend.set_trigger(Msi, 0, &[None]).unwrap(), None);
    let other = backend.set_trigger(Intx, 0, &[None]).unwrap_err();
    let grown = backend.set_trigger(Msi, 1, &[None]).unwrap_err();
    let (_machine, host) = pair(Some("vfio-pci"), None);
    let asked = |errno| {
        let request = IrqRequest { mode: "INTx", count: 1, offered: Some(1), ..IrqRequest::default() };
        host.explain_set_irqs(nic(), errno, &request)
    };
    let einval = Errno::EINVAL;
    vec![
        row(Code::E11, None, 3, ["the machine has 2 to give", "at most 2"], fewer),
        row(Code::E11, None, 3, ["the function has no MSI-X", "dirql info"], none),
        row(Code::E11, None, 3, ["no error source", "do without"], errors),
        row(Code::E11, einval, 2, ["the function has 4 MSI vectors", "at most 4"], beyond),
        row(Code::E11, einval, 2, ["INTx is one vector", "one vector"], two),
        row(Code::E11, einval, 2, ["MSI is on", "switch MSI off first"], other),
        row(Code::E11, einval, 3, ["1 MSI vectors are on", "all vectors at once"], grown),
        row(Code::E11, Errno::ENOTTY, 1, ["cannot mask MSI", "own registers"], mask),
        row(Code::E11, Errno::ENOSPC, 3, ["no interrupt vector free", "fewer"], asked(Errno::ENOSPC)),
        row(Code::E11, Errno::EBADF, 1, ["closed", "keep each eventfd open"], asked(Errno::EBADF)),
        row(Code::E11, Errno::EBUSY, 5, ["shared with a driver", "MSI"], asked(Errno::EBUSY)),
    ]
}

/// E12: `explain_region`'s own tests have the causes by the state of the device.
fn registers() -> Vec<Row> {
    let (machine, host) = pair(Some("vfio-pci"), None);
    machine
        .file("sys/devices/pci0000:00/0000:01:00.0/resource", "0x1000 0x103f 0x101\n0x2080 0x20ff 0x200\n");
    let refused = |errno, bar| host.explain_region(nic(), errno, "mapping of BAR", Some(bar), &[0xff; 64]);
    let gone = Presence::new();
    gone.mark_gone();
    vec![
        row(Code::E12, Errno::EINVAL, 3, ["I/O ports", "by calls"], refused(Errno::EINVAL, 0)),
        row(Code::E12, Errno::EINVAL, 3, ["128 bytes share a page", "by calls"], refused(Errno::EINVAL, 1)),
        row(Code::E12, Errno::EBUSY, 5, ["claims its addresses", "boot console"], refused(Errno::EBUSY, 0)),
        row(Code::E12, Errno::EIO, 7, ["reads as ones", "rescan"], refused(Errno::EIO, 0)),
        row(Code::E12, Errno::ENODEV, 7, ["does not answer", "open it anew"], gone.admit(nic()).unwrap_err()),
    ]
}

/// E13: before the kernel is asked to unbind, and in the program that held the device.
fn holders() -> Vec<Row> {
    let (machine, host) = pair(Some("vfio-pci"), None);
    machine.process(812, "dirql", &["dev/vfio/5"]);
    let held = host.restore(nic(), &RestoreOptions::default()).unwrap_err();
    let (device, _bus) = device(|_| ());
    let revoked = Presence::new();
    revoked.mark_revoked();
    vec![
        row(Code::E13, None, 5, ["held by process 812 (dirql", "sudo dirql restore 0000:01:00.0"], held),
        row(
            Code::E13,
            Errno::ENODEV,
            7,
            ["the host wants the device back", "bind it again"],
            device.release_request().error("running of the driver"),
        ),
        row(
            Code::E13,
            Errno::ENODEV,
            7,
            ["took it when", "bind it again"],
            revoked.admit(nic()).unwrap_err(),
        ),
    ]
}

/// E14: what is asked for came later.
fn age() -> Vec<Row> {
    let (machine, host) = pair(Some("vfio-pci"), None);
    machine.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    let request =
        IrqRequest { mode: "MSI-X", start: 1, count: 4, offered: Some(5), active: Some(("MSI-X", 1)) };
    let grown = host.explain_set_irqs(nic(), Errno::EINVAL, &request);
    let unknown = host.explain_request(nic(), Errno::ENOTTY, "reading of the device information");
    let newer =
        ["(6.1.0-18-amd64) does not know the request: iommufd and device nodes take 6.6", "group interface"];
    vec![
        row(Code::E14, Errno::ENOTTY, 3, newer, unknown),
        row(
            Code::E14,
            Errno::EINVAL,
            3,
            ["(6.1.0-18-amd64) cannot add to them: that takes 6.5", "at once"],
            grown,
        ),
    ]
}

/// E15: a command was not done in time.
fn silent() -> Vec<Row> {
    let (device, _bus) = device(|config| config.msi = 1);
    let machine = Machine::new();
    let host = machine.host();
    let late = || Error::new(ErrorKind::Device, "DMA").why("no interrupt within 2 s");
    let explained = || silence::explain(device.core(), &host, late(), "head 3, tail 1");
    let off = explained();
    let all = ["no interrupt within 2 s; bus mastering is off; no vector is connected; head 3, tail 1;"];
    assert!(off.cause().unwrap().starts_with(all[0]), "{off}");
    let mut rows = vec![row(Code::E15, None, 7, ["bus mastering is off", "set_bus_master"], off)];

    device.set_bus_master(true).unwrap();
    rows.push(row(Code::E15, None, 7, ["log cannot be read (ENOENT)", "dmesg"], explained()));
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let _vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    machine.file("dev/kmsg", "6,1,1,-;DMAR: IOMMU enabled\n");
    rows.push(row(
        Code::E15,
        None,
        7,
        ["MSI vector 0: 0; head 3, tail 1; the kernel's log has no", "dirql irqs"],
        explained(),
    ));
    let fault = |iova: &str| {
        let address = device.address().to_string();
        let short = address.strip_prefix("0000:").unwrap();
        let line =
            format!("[DMA Read NO_PASID] Request device [{short}] fault addr {iova} [fault reason 0x06] PTE");
        machine.file("dev/kmsg", &format!("3,2,2,-;DMAR: {line} Read access is not set\n"));
        explained()
    };
    let says = ["a read at IOVA 0x70000000 by 0000:00:1f.0 (PTE Read access is not set)", "Lent::iova"];
    let nothing = fault("0x70000000");
    assert!(nothing.cause().unwrap().ends_with("which is not mapped: nothing is"), "{nothing}");
    rows.push(row(Code::E15, None, 7, says, nothing));
    let buffer = device.dma(DmaMask::FULL).buffer(64).unwrap().lend();
    rows.push(row(
        Code::E15,
        None,
        7,
        ["is not mapped: what is mapped is 0x", "Lent::iova"],
        fault("0x70000000"),
    ));
    let inside = fault(&buffer.iova().to_string());
    rows.push(row(Code::E15, None, 7, ["is mapped by now, in 0x", "Lent::iova"], inside));
    rows
}
