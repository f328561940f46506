//! Queues by themselves: chains of any shape, given back in any order, in either layout.

use std::collections::BTreeMap;

use dirql::dma::{Dma, DmaMask, Lent};
use dirql::{Device, ErrorKind, Iova};
use dirql_virtio::Features;
use dirql_virtio::model::{Adapter, Options, Wire};
use dirql_virtio::queue::{Queue, Segment, Settings};
use dirql_virtio::transport::Transport;
use proptest::prelude::*;

/// One of the device's queues, which nobody else uses.
const QUEUE: u16 = 0;
/// Segments of a table.
const INDIRECT: u16 = 4;

/// A device that runs with one queue, and takes from it by hand.
struct Bench {
    queue: Queue<u32>,
    wire: Wire,
    memory: Lent,
    transport: Transport,
    dma: Dma,
    _device: Device,
}

impl Bench {
    fn new(options: Options) -> Self {
        let (device, wire) = Adapter::new(options).plug_in().unwrap();
        let mut transport = Transport::open(&device).unwrap();
        transport.negotiate(Features::default()).unwrap();
        device.set_bus_master(true).unwrap();
        let dma = device.dma(DmaMask::FULL);
        let settings = Settings { index: QUEUE, size: 1024, indirect: INDIRECT };
        let mut queue = Queue::new(&transport, &dma, settings).unwrap();
        queue.enable(&transport, None).unwrap();
        transport.ready().unwrap();
        let mut memory = dma.buffer(1 << 16).unwrap();
        memory.bytes_mut().iter_mut().zip(0_u32..).for_each(|(byte, at)| *byte = ((at * 31) >> 3) as u8);
        Self { queue, wire, memory: memory.lend(), transport, dma, _device: device }
    }

    fn segment(&self, at: usize, len: usize) -> Segment {
        Segment { iova: Iova(self.memory.iova().0 + at as u64), len: len as u32 }
    }
}

fn bytes(at: usize, len: usize) -> impl Iterator<Item = u8> {
    (at as u32..(at + len) as u32).map(|at| ((at * 31) >> 3) as u8)
}

#[derive(Debug, Clone)]
enum Step {
    /// Adds chains of so many segments to read and to write.
    Add(usize, usize),
    Publish,
    /// The device takes so many, as far as it can see them.
    Take(usize),
    /// The device gives back what it has had for so long, all at once, and writes so much.
    Give(Vec<usize>, usize),
    Pop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..4, 0_usize..4).prop_map(|(read, write)| Step::Add(read, write)),
        2 => Just(Step::Publish),
        3 => (1_usize..6).prop_map(Step::Take),
        3 => (prop::collection::vec(any::<usize>(), 1..5), 0_usize..3000).prop_map(|(which, len)| Step::Give(which, len)),
        3 => (1_usize..8).prop_map(Step::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What is added is what the device finds; what it gives back is what is popped, in its order; nothing is lost.
    #[test]
    fn chains_come_back_as_the_device_gives_them(
        packed: bool,
        event_idx: bool,
        indirect_desc: bool,
        size in prop::sample::select(vec![1_u16, 2, 4, 8, 16]),
        odd in 0_u16..3,
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let size = if packed { size + odd } else { size };
        let options = Options { packed, event_idx, indirect_desc, queue_sizes: (size, 16), ..Options::default() };
        let mut bench = Bench::new(options);
        prop_assert_eq!(bench.queue.size(), size);
        let table = usize::from(INDIRECT.min(size));
        let mut next = 0;
        // By number: what it looks like; those that the device has, and those that it has given.
        let mut shapes: BTreeMap<u32, (usize, usize, usize)> = BTreeMap::new();
        let (mut added, mut visible, mut taken, mut given) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Add(read, write) => {
                    let at = (next as usize * 977) % 40_000;
                    let readable: Vec<_> = (0..read).map(|n| bench.segment(at + 100 * n, 10 + n)).collect();
                    let writable: Vec<_> = (0..write).map(|n| bench.segment(50_000 + 1000 * n, 1000)).collect();
                    let free = bench.queue.free();
                    let in_table = indirect_desc && read + write > 1 && read + write <= table;
                    let fits = read + write > 0 && usize::from(free) >= if in_table { 1 } else { read + write };
                    match bench.queue.add(&readable, &writable, next) {
                        Ok(()) => {
                            prop_assert!(fits);
                            shapes.insert(next, (at, read, write));
                            added.push(next);
                            next += 1;
                        }
                        Err(token) => prop_assert!(token == next && !fits),
                    }
                    // In a packed ring a descriptor is the device's at once.
                    if packed {
                        visible.append(&mut added);
                    }
                }
                Step::Publish => {
                    bench.queue.publish();
                    bench.queue.notify().unwrap();
                    visible.append(&mut added);
                }
                Step::Take(count) => for _ in 0..count {
                    let Some(chain) = bench.wire.take(QUEUE) else {
                        prop_assert!(visible.is_empty());
                        break;
                    };
                    let number = visible.remove(0);
                    let (at, read, write) = shapes[&number];
                    let expected: Vec<_> = (0..read).flat_map(|n| bytes(at + 100 * n, 10 + n)).collect();
                    prop_assert_eq!(bench.wire.read(&chain).unwrap(), expected);
                    prop_assert_eq!(chain.room(), 1000 * write);
                    let long = read + write > 1 && read + write <= table;
                    prop_assert_eq!(chain.was_indirect(), indirect_desc && long);
                    taken.push((number, chain));
                },
                Step::Give(which, len) => {
                    let mut done = Vec::new();
                    for which in which {
                        if !taken.is_empty() {
                            let (number, chain) = taken.swap_remove(which % taken.len());
                            given.push((number, len.min(chain.room()) as u32));
                            done.push((chain, vec![7; len]));
                        }
                    }
                    if !done.is_empty() {
                        bench.wire.give(QUEUE, done);
                    }
                }
                Step::Pop(count) => {
                    prop_assert_eq!(bench.queue.is_pending(), !given.is_empty());
                    for _ in 0..count {
                        let expected = if given.is_empty() { None } else { Some(given.remove(0)) };
                        prop_assert_eq!(bench.queue.pop().unwrap(), expected);
                    }
                }
            }
            let outstanding = added.len() + visible.len() + taken.len() + given.len();
            prop_assert_eq!(usize::from(bench.queue.outstanding()), outstanding);
            prop_assert_eq!(bench.wire.bus().faults(), []);
        }
        // What is out comes back when the device is reset, and the queue starts anew.
        bench.transport.reset().unwrap();
        let mut out: Vec<_> = [added, visible, taken.into_iter().map(|(number, _)| number).collect()].concat();
        out.extend(given.into_iter().map(|(number, _)| number));
        out.sort_unstable();
        let mut reclaimed = bench.queue.reclaim();
        reclaimed.sort_unstable();
        prop_assert_eq!(reclaimed, out);
        prop_assert_eq!((bench.queue.free(), bench.queue.outstanding()), (size, 0));
        prop_assert!(!bench.queue.is_pending());
    }

    /// An interrupt is raised exactly when the device has given back as many more as were waited for.
    #[test]
    fn interrupts_come_after_as_many_as_were_asked_for(packed: bool, waits in prop::collection::vec(1_u16..12, 1..40)) {
        let mut bench = Bench::new(Options { packed, queue_sizes: (16, 16), vectors: 0, ..Options::default() });
        for after in waits {
            let out = after + 3;
            for token in 0..out {
                bench.queue.add_readable(bench.segment(0, 60), token.into()).unwrap();
            }
            bench.queue.publish();
            bench.queue.arm(after);
            let isr = || bench.transport.isr().unwrap();
            isr();
            for number in 1..=out {
                let chain = bench.wire.take(QUEUE).unwrap();
                bench.wire.give(QUEUE, vec![(chain, Vec::new())]);
                prop_assert_eq!(isr() & 1 != 0, number == after, "{} of {}", number, after);
                prop_assert_eq!(bench.queue.are_pending(after), number >= after);
            }
            while bench.queue.pop().unwrap().is_some() {}
            bench.queue.disarm();
        }
    }

    /// The doorbell is rung exactly when the device has asked for it, however many come at once.
    #[test]
    fn doorbells_ring_when_they_are_asked_for(
        packed: bool,
        event_idx: bool,
        steps in prop::collection::vec((1_u16..5, any::<bool>()), 1..60),
    ) {
        let mut bench = Bench::new(Options { packed, event_idx, queue_sizes: (16, 16), ..Options::default() });
        let mut wanted = true;
        for (count, ask) in steps {
            for token in 0..count {
                bench.queue.add_readable(bench.segment(0, 60), token.into()).unwrap();
            }
            let before = bench.queue.doorbells();
            bench.queue.publish();
            bench.queue.notify().unwrap();
            prop_assert_eq!(bench.queue.doorbells() - before, u64::from(wanted));
            bench.queue.notify().unwrap();
            prop_assert_eq!(bench.queue.doorbells() - before, u64::from(wanted), "there is nothing new");
            let chains: Vec<_> = std::iter::from_fn(|| bench.wire.take(QUEUE)).map(|chain| (chain, vec![])).collect();
            prop_assert_eq!(chains.len(), usize::from(count));
            bench.wire.give(QUEUE, chains);
            while bench.queue.pop().unwrap().is_some() {}
            bench.wire.ask_for_bells(QUEUE, ask);
            wanted = ask;
        }
    }
}

#[test]
fn a_queue_that_was_reset_alone_goes_on_from_the_start() {
    for packed in [false, true] {
        let mut bench = Bench::new(Options { packed, ..Options::default() });
        for round in 0..3 {
            for token in 0..100 {
                bench.queue.add_readable(bench.segment(0, 60), 1000 * round + token).unwrap();
            }
            bench.queue.publish();
            for _ in 0..70 {
                let chain = bench.wire.take(QUEUE).unwrap();
                bench.wire.give(QUEUE, vec![(chain, Vec::new())]);
            }
            assert_eq!(bench.queue.pop().unwrap(), Some((1000 * round, 0)));
            bench.transport.reset_queue(QUEUE).unwrap();
            assert!(bench.wire.take(QUEUE).is_none());
            assert_eq!(bench.queue.reclaim().len(), 99);
            bench.queue.enable(&bench.transport, None).unwrap();
        }
    }
    let bench = Bench::new(Options { ring_reset: false, ..Options::default() });
    assert_eq!(bench.transport.reset_queue(QUEUE).unwrap_err().kind(), ErrorKind::Precondition);
}

#[test]
fn a_queue_that_there_is_not_is_an_error() {
    let bench = Bench::new(Options::default());
    let settings = Settings { index: 7, size: 16, indirect: 0 };
    let error = Queue::<()>::new(&bench.transport, &bench.dma, settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_split_queue_has_a_power_of_two_of_entries() {
    let bench = Bench::new(Options { queue_sizes: (100, 16), ..Options::default() });
    assert_eq!(bench.queue.size(), 64);
}
