//! DMA memory on the model's checked IOVA space.

mod support;

use dirql::dma::{DmaMask, Lent, Ring};
use dirql::{Code, ErrorKind};
use support::silent;

#[test]
fn what_the_cpu_writes_the_device_reads_and_back() {
    let (device, bus) = silent(|_| ());
    device.set_bus_master(true).unwrap();
    let mut buffer = device.dma(DmaMask::FULL).buffer(3000).unwrap();
    assert!(buffer.bytes().iter().all(|&byte| byte == 0), "memory arrives zeroed");
    buffer.bytes_mut().iter_mut().zip(0..).for_each(|(byte, i)| *byte = i as u8);
    let lent = buffer.lend();
    let mut seen = vec![0; 3000];
    bus.dma_read(lent.iova(), &mut seen).unwrap();
    assert!(seen.iter().zip(0..).all(|(&byte, i)| byte == i as u8));
    bus.dma_write(lent.iova(), &[0xee; 16]).unwrap();
    assert_eq!(lent.reclaim().bytes()[..17], [[0xee; 16].as_slice(), &[16]].concat());
    assert_eq!(bus.faults(), []);
}

#[test]
fn without_bus_mastering_and_outside_the_mappings_the_device_reaches_nothing() {
    let (device, bus) = silent(|_| ());
    let lent = device.dma(DmaMask::FULL).buffer(4096).unwrap().lend();
    assert!(bus.dma_write(lent.iova(), &[1]).is_err());
    device.set_bus_master(true).unwrap();
    assert!(bus.dma_write(lent.iova(), &[1]).is_ok());
    assert!(bus.dma_write(dirql::Iova(0), &[1]).is_err(), "address 0 is never given out");
    assert_eq!(bus.faults().len(), 2);
}

#[test]
fn addresses_obey_the_mask_and_the_iommu() {
    let (device, _bus) =
        silent(|config| config.iova_ranges = vec![0..=0xff_ffff, 0x1_0000_0000..=0x1_3fff_ffff]);
    let narrow = device.dma(DmaMask::bits(24).unwrap());
    let mut kept: Vec<Lent> = Vec::new();
    loop {
        match narrow.buffer(1 << 20) {
            Ok(buffer) => {
                let lent = buffer.lend();
                assert!(lent.iova().0 + lent.len() as u64 <= 1 << 24);
                kept.push(lent);
            }
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.catalogue_code()),
                    (ErrorKind::Precondition, Some(Code::E10))
                );
                break;
            }
        }
    }
    assert!(kept.len() >= 12, "{} MiB of the lowest 16 were to be had", kept.len());
    // The rest of the space is still there for a device that reaches it.
    let wide = device.dma(DmaMask::FULL).buffer(1 << 20).unwrap().lend();
    assert!(wide.iova().0 >= 0x1_0000_0000);
    // What is left of that memory is out of the narrow device's reach.
    assert_eq!(narrow.buffer(1 << 20).map(|_| ()).unwrap_err().catalogue_code(), Some(Code::E10));
}

#[test]
fn buffers_are_disjoint_and_come_back_and_lent_ones_do_not() {
    let (device, bus) = silent(|_| ());
    let dma = device.dma(DmaMask::FULL);
    let buffers: Vec<_> = (1..200).map(|i| dma.buffer(i * 37).unwrap().lend()).collect();
    let mut ranges: Vec<_> = buffers.iter().map(|lent| (lent.iova().0, lent.len() as u64)).collect();
    for &(iova, len) in &ranges {
        let end = iova + len - 1;
        assert!(len > 4096 || iova / 4096 == end / 4096, "{len} bytes at {iova:#x} cross a page");
    }
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
    let mappings = bus.mappings();
    for _ in 0..50 {
        let again: Vec<_> = (1..200).map(|i| dma.buffer(i * 37).unwrap()).collect();
        drop(again);
    }
    assert_eq!(bus.mappings(), mappings, "what came back is used again");
    let first = buffers.iter().map(|lent| lent.iova()).min().unwrap();
    drop(buffers);
    // Dropped while lent: the device may still write there.
    assert_ne!(dma.buffer(37).unwrap().lend().iova(), first);
}

#[test]
fn zero_bytes_and_more_than_there_is_are_refused() {
    let (device, _bus) = silent(|_| ());
    let dma = device.dma(DmaMask::FULL);
    assert_eq!(dma.buffer(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(dma.buffer(usize::MAX).is_err());
    assert!(dma.ring::<u64, ()>(1).is_err());
    assert!(dma.ring::<u64, ()>(u32::MAX).is_err());
}

#[test]
fn a_ring_hands_entries_over_in_order_through_many_wraps() {
    let (device, bus) = silent(|_| ());
    device.set_bus_master(true).unwrap();
    let mut ring: Ring<u64, u64> = device.dma(DmaMask::FULL).ring(8).unwrap();
    let (mut sent, mut back) = (0_u64, 0_u64);
    for round in 0..1000_u64 {
        for _ in 0..round % 8 {
            match ring.lend(sent << 1, sent) {
                Ok(()) => sent += 1,
                Err(companion) => {
                    assert_eq!((companion, ring.free(), ring.lent()), (sent, 0, 7));
                    break;
                }
            }
        }
        // The device marks up to three more entries as done, in order.
        let head = (back % 8) as u32;
        for i in 0..ring.lent().min(3) {
            let at = dirql::Iova(ring.iova().0 + u64::from((head + i) % 8) * 8);
            let mut word = [0; 8];
            bus.dma_read(at, &mut word).unwrap();
            bus.dma_write(at, &(u64::from_le_bytes(word) | 1).to_le_bytes()).unwrap();
        }
        while let Some((descriptor, companion)) = ring.reclaim_if(|descriptor| descriptor & 1 == 1) {
            assert_eq!((descriptor >> 1, companion), (back, back));
            back += 1;
        }
        assert_eq!(u64::from(ring.lent()), sent - back);
        assert_eq!(u64::from(ring.tail()), sent % 8);
    }
    assert!(back > 1000);
    assert_eq!(ring.reclaim_all(), (back..sent).collect::<Vec<_>>());
    assert_eq!((ring.lent(), ring.tail()), (0, 0));
}

#[test]
fn the_iommu_runs_out_of_mappings_with_the_errno_kept() {
    let (device, _bus) = silent(|config| config.mappings = 1);
    let dma = device.dma(DmaMask::FULL);
    let _first = dma.buffer(2 << 20).unwrap();
    let error = dma.buffer(2 << 20).unwrap_err();
    assert_eq!(error.raw_errno(), Some(nix::errno::Errno::ENOSPC));
}

#[test]
fn shared_words_are_little_endian_and_each_sides_to_write() {
    let (device, bus) = silent(|_| ());
    device.set_bus_master(true).unwrap();
    let mut words = device.dma(DmaMask::FULL).shared::<u16>(3).unwrap();
    assert_eq!((words.len(), words.iova().0 % 4096, words.load(2)), (3, 0, 0));
    words.store(1, 0x1234);
    words.store_release(2, 0xabcd);
    let mut seen = [0; 6];
    bus.dma_read(words.iova(), &mut seen).unwrap();
    assert_eq!(seen, [0, 0, 0x34, 0x12, 0xcd, 0xab]);
    bus.dma_write(dirql::Iova(words.iova().0 + 2), &[0xee, 0xff]).unwrap();
    dirql::dma::barrier();
    assert_eq!((words.load(1), words.load_acquire(1)), (0xffee, 0xffee));
    let long = device.dma(DmaMask::FULL).shared::<u64>(600).unwrap();
    bus.dma_write(dirql::Iova(long.iova().0 + 8 * 599), &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    assert_eq!(long.load(599), 0x0807_0605_0403_0201);
    assert_eq!(device.dma(DmaMask::FULL).shared::<u32>(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn what_is_exposed_is_written_while_the_device_reads_and_comes_back_once_reclaimed() {
    let (device, bus) = silent(|_| ());
    device.set_bus_master(true).unwrap();
    let dma = device.dma(DmaMask::FULL);
    let mut shown = dma.buffer(4096).unwrap().expose();
    let iova = shown.iova();
    shown.bytes_mut()[7] = 9;
    let mut seen = [0; 8];
    bus.dma_read(iova, &mut seen).unwrap();
    assert_eq!((seen[7], shown.bytes()[7]), (9, 9));
    let again = dma.buffer(4096).unwrap().expose();
    assert_ne!(again.iova(), iova);
    drop(shown.reclaim());
    drop(again);
    let reused = dma.buffer(4096).unwrap().expose();
    assert_eq!(reused.iova(), iova, "reclaimed memory is used again");
    let next = dma.buffer(4096).unwrap().lend();
    assert_ne!(next.iova().0, iova.0 + 4096, "memory that was dropped while exposed is not");
}

#[test]
fn large_buffers_take_no_more_than_they_need() {
    let free = std::fs::read_to_string("/proc/meminfo").unwrap();
    let has_huge_pages =
        free.lines().any(|line| line.starts_with("HugePages_Free:") && !line.ends_with(" 0"));
    // Two framebuffers of 3 MiB, and no room for one of 4 MiB beside the other.
    let (device, _bus) = silent(|config| config.iova_ranges = vec![0x1000..=0x60_0fff]);
    let dma = device.dma(DmaMask::FULL);
    let first = dma.buffer(3 << 20).unwrap();
    let second = dma.buffer(3 << 20);
    assert!(second.is_ok() || has_huge_pages, "{second:?}");
    drop(first);
    assert!(dma.buffer(3 << 20).is_ok(), "what is free is used again");
}
