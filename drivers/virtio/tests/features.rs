//! Long frames, checksums and segments, several pairs of queues, filters.

mod common;

use std::time::Duration;

use common::{BROADCAST, drain, frame, left, queue, send, start, start_with, with_net};
use dirql::ErrorKind;
use dirql::class::net::{
    self, Checksum, Filter, Interest, Mac, Net, Offloads, Outgoing, ReceivedChecksum, SegmentProtocol,
    Segmentation,
};
use dirql_virtio::model::{Adapter, Delivery, Options};

const GROUP: Mac = Mac([0x01, 0, 0x5e, 0, 0, 0x16]);
const OTHER: Mac = Mac([0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
const MRG_RXBUF: u64 = 1 << 15;

fn offloads() -> Offloads {
    Offloads { checksum: true, segmentation: true, vlan: false }
}

#[test]
fn long_frames_come_in_several_buffers_or_in_one_that_is_long_enough() {
    for (packed, merges) in [(false, true), (false, false), (true, true), (true, false)] {
        let options = Options { packed, mrg_rxbuf: merges, mtu: Some(9000), ..Options::default() };
        let settings = with_net(net::Settings { mtu: 9000, ..net::Settings::default() });
        let (mut net, wire) = start_with(options, &settings);
        assert_eq!(net.mtu(), 9000);
        for round in 0..200 {
            let lens = [60, 2036, 2037, 4084, 4085, 9018, 1514];
            let frames: Vec<_> =
                (0..).zip(lens).map(|(n, len)| frame(Adapter::MAC, 10 * round + n, len)).collect();
            for frame in &frames {
                assert_eq!(wire.inject(frame), Delivery::Received);
            }
            let mut got: Vec<(usize, Vec<u8>)> = Vec::new();
            net.queue()
                .receive(64, &mut |frame| got.push((frame.parts().len(), frame.bytes().into_owned())))
                .unwrap();
            let parts: Vec<_> = got.iter().map(|(parts, _)| *parts).collect();
            let expected = if merges { [1, 1, 2, 2, 3, 5, 1] } else { [1; 7] };
            assert_eq!(parts, expected, "packed: {packed}");
            assert!(got.into_iter().map(|(_, bytes)| bytes).eq(frames.clone()));
            assert_eq!(send(queue(&mut net), &frames), 7);
            assert!(left(&wire) == frames);
        }
    }
}

#[test]
fn frames_that_fit_into_one_buffer_cost_the_device_no_search_for_more() {
    let (_net, wire) = start(Options::default());
    assert_eq!(wire.agreed() & MRG_RXBUF, 0);
    let settings = with_net(net::Settings { mtu: 9000, ..net::Settings::default() });
    let (_net, wire) = start_with(Options { mtu: Some(9000), ..Options::default() }, &settings);
    assert_eq!(wire.agreed() & MRG_RXBUF, MRG_RXBUF);
}

#[test]
fn checksums_and_segments_are_described_to_the_device() {
    let settings = with_net(net::Settings { offloads: offloads(), ..net::Settings::default() });
    let (mut net, wire) = start_with(Options { offloads: true, ..Options::default() }, &settings);
    assert_eq!(net.offloads(), offloads());
    let checksum = Checksum { start: 34, offset: 16 };
    let segmentation = Segmentation { protocol: SegmentProtocol::Tcpv4, header: 54, size: 1460 };
    let frames = [
        Outgoing { checksum: Some(checksum), ..Outgoing::from(60) },
        Outgoing::from(60),
        Outgoing { checksum: Some(checksum), segmentation: Some(segmentation), ..Outgoing::from(60_000) },
    ];
    for _ in 0..100 {
        let mut offered = frames.iter();
        assert_eq!(net.queue().transmit(&mut |_| offered.next().copied()).unwrap(), 3);
        let headers: Vec<_> = wire.sent().iter().map(|sent| (sent.header, sent.frame.len())).collect();
        assert_eq!(headers[0], ([1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0], 60));
        assert_eq!(headers[1], ([0; 12], 60), "what stood there before is gone");
        assert_eq!(headers[2], ([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 0, 0], 60_000));
    }
    let refused = [
        Outgoing { checksum: Some(Checksum { start: 50, offset: 9 }), ..Outgoing::from(60) },
        Outgoing { segmentation: Some(segmentation), ..Outgoing::from(3000) },
        Outgoing { checksum: Some(checksum), segmentation: Some(segmentation), ..Outgoing::from(54) },
        Outgoing {
            checksum: Some(checksum),
            segmentation: Some(Segmentation { size: 0, ..segmentation }),
            ..Outgoing::from(3000)
        },
        Outgoing { vlan: Some(5), ..Outgoing::from(60) },
        Outgoing::from(3000),
    ];
    for frame in refused {
        let error = net.queue().transmit(&mut |_| Some(frame)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{frame:?}");
    }
    assert_eq!(wire.sent().len(), 0);
    let (mut plain, _wire) = start(Options { offloads: true, ..Options::default() });
    for frame in &frames[..1] {
        assert!(plain.queue().transmit(&mut |_| Some(*frame)).is_err(), "nobody asked for that at the start");
    }
}

#[test]
fn what_the_device_knows_of_a_frame_is_handed_on() {
    for (packed, merges) in [(false, true), (false, false), (true, true), (true, false)] {
        let settings = with_net(net::Settings { offloads: offloads(), ..net::Settings::default() });
        let options = Options { offloads: true, packed, mrg_rxbuf: merges, ..Options::default() };
        let (mut net, wire) = start_with(options, &settings);
        let long = frame(Adapter::MAC, 0, 60_000);
        let short = frame(Adapter::MAC, 1, 60);
        assert_eq!(wire.inject_with([1, 4, 74, 0, 0xa0, 5, 54, 0, 16, 0, 0, 0], &long), Delivery::Received);
        assert_eq!(wire.inject_with([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &short), Delivery::Received);
        assert_eq!(wire.inject(&short), Delivery::Received);
        // Its checksum would lie beyond it.
        assert_eq!(wire.inject_with([1, 0, 0, 0, 0, 0, 59, 0, 0, 0, 0, 0], &short), Delivery::Received);
        let mut got = Vec::new();
        net.queue().receive(64, &mut |frame| got.push((frame.incoming, frame.bytes().into_owned()))).unwrap();
        let described: Vec<_> =
            got.iter().map(|(incoming, _)| (incoming.checksum, incoming.segmentation)).collect();
        let segmentation = Segmentation { protocol: SegmentProtocol::Tcpv6, header: 74, size: 1440 };
        let partial = ReceivedChecksum::Partial(Checksum { start: 54, offset: 16 });
        assert_eq!(
            described,
            [
                (partial, Some(segmentation)),
                (ReceivedChecksum::Good, None),
                (ReceivedChecksum::Unknown, None)
            ]
        );
        assert!(got[0].1 == long && got[1].1 == short);
        assert_eq!(net.statistics().unwrap().receive_errors, 1);
    }
}

#[test]
fn each_pair_of_queues_has_its_own_flows_vectors_and_thread() {
    for packed in [false, true] {
        for vectors in [0, 1, 3, 9] {
            let options = Options { pairs: Some(4), packed, vectors, ..Options::default() };
            let settings = with_net(net::Settings { queues: 3, ..net::Settings::default() });
            let (mut net, wire) = start_with(options, &settings);
            assert!(wire.commands().0.contains(&(4, 0)), "the device was told of three pairs");
            let mut queues = net.queues();
            assert_eq!(queues.len(), 3);
            std::thread::scope(|scope| {
                for (pair, queue) in (0_u8..).zip(&mut queues) {
                    let wire = wire.clone();
                    scope.spawn(move || {
                        for number in 0..200 {
                            let mut flow = frame(Adapter::MAC, number, 100);
                            flow[11] = pair;
                            assert_eq!(wire.inject(&flow), Delivery::Received);
                            let mut got = Vec::new();
                            while got.is_empty() {
                                assert!(queue.wait(Interest::Receive, Duration::from_secs(5)).unwrap());
                                got = drain(&mut **queue);
                            }
                            assert!(got == [flow.clone()], "pair {pair} of {vectors} vectors");
                            assert_eq!(send(&mut **queue, &[flow]), 1);
                        }
                    });
                }
            });
            let mut by_pair = [0; 4];
            wire.sent().iter().for_each(|sent| by_pair[usize::from(sent.pair)] += 1);
            assert_eq!(by_pair, [200, 200, 200, 0]);
            assert_eq!(net.statistics().unwrap().receive_frames, 600);
        }
    }
    let (_net, wire) = start(Options { pairs: Some(4), ..Options::default() });
    assert_eq!(wire.agreed() >> 22 & 1, 0, "one pair needs no command");
}

fn tagged(vlan: u16, number: u32) -> Vec<u8> {
    let mut frame = frame(Adapter::MAC, number, 64);
    frame[12..14].copy_from_slice(&[0x81, 0]);
    frame[14..16].copy_from_slice(&vlan.to_be_bytes());
    frame
}

#[test]
fn only_what_the_filter_says_comes_in() {
    use Delivery::{Filtered, Received};
    for packed in [false, true] {
        let (mut net, wire) = start(Options { packed, ..Options::default() });
        let arrives = |filter: Option<&Filter>, net: &mut dyn Net| {
            if let Some(filter) = filter {
                net.set_filter(filter).unwrap();
            }
            let frames = [
                frame(Adapter::MAC, 0, 60),
                frame(BROADCAST, 0, 60),
                frame(OTHER, 0, 60),
                frame(GROUP, 0, 60),
                tagged(7, 0),
                tagged(4095, 0),
            ];
            frames.map(|frame| wire.inject(&frame))
        };
        let net: &mut dyn Net = &mut net;
        assert_eq!(arrives(None, net), [Received, Received, Filtered, Filtered, Received, Received]);
        let promiscuous = Filter::promiscuous();
        assert_eq!(arrives(Some(&promiscuous), net), [Received; 6]);
        let nothing = Filter::default();
        assert_eq!(
            arrives(Some(&nothing), net),
            [Received, Received, Filtered, Filtered, Received, Received]
        );
        let groups = Filter { all_multicast: true, ..Filter::default() };
        assert_eq!(arrives(Some(&groups), net), [Received, Received, Filtered, Received, Received, Received]);
        let some = Filter { macs: vec![OTHER, GROUP], vlans: Some(vec![7]), ..Filter::default() };
        assert_eq!(arrives(Some(&some), net), [Received, Received, Received, Received, Received, Filtered]);
        let other = Filter { macs: vec![GROUP], vlans: Some(vec![4095]), ..Filter::default() };
        assert_eq!(arrives(Some(&other), net), [Received, Received, Filtered, Received, Filtered, Received]);
        wire.commands();
        net.set_filter(&Filter { vlans: Some(vec![4095, 9]), ..other.clone() }).unwrap();
        let commands = wire.commands().0;
        assert_eq!(
            commands.iter().filter(|(class, _)| *class == 2).count(),
            1,
            "only what changes: {commands:?}"
        );
        let many = Filter {
            macs: (0..500_u16).map(|n| Mac([2, 0, 0, 0, (n >> 8) as u8, n as u8])).collect(),
            ..Filter::default()
        };
        assert_eq!(arrives(Some(&many), net)[2], Received, "more addresses than fit are all of them");
        let error = net.set_filter(&Filter { vlans: Some(vec![4096]), ..Filter::default() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn commands_go_in_tables_where_there_are_some_and_a_refusal_is_told() {
    let (mut net, wire) = start(Options::default());
    let (commands, tables) = wire.commands();
    assert_eq!(commands.len() as u64, tables);
    wire.answer(1);
    let error = net.set_filter(&Filter::default()).unwrap_err();
    assert!(
        error.to_string().contains("control command MAC_TABLE_SET") && error.kind() == ErrorKind::Device,
        "{error}"
    );
    net.set_filter(&Filter::default()).unwrap();
    let (_net, wire) = start(Options { indirect_desc: false, ..Options::default() });
    assert_eq!(wire.commands().1, 0);
    let (mut net, _wire) = start(Options { ctrl_vq: false, ..Options::default() });
    assert_eq!(net.set_filter(&Filter::promiscuous()).unwrap_err().kind(), ErrorKind::Precondition);
}
