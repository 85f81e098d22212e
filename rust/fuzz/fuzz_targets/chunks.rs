//! Bytes in any pieces give the same messages and the same report as all at once, on a channel that
//! only messages go through and on one that is shared.
#![no_main]

use ironpipe::reader::{DeliveryReport, Item, MessageDecoder};
use libfuzzer_sys::fuzz_target;

fn decode(mut decoder: MessageDecoder, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, DeliveryReport) {
    let mut found = Vec::new();
    let mut keep = |decoder: &mut MessageDecoder| {
        while let Some(item) = decoder.take() {
            found.push(match item {
                Item::Message(message) => message.params().to_vec(),
                Item::Output(line) => line.to_vec(),
            });
        }
    };
    for piece in pieces {
        let mut rest = *piece;
        while decoder.push(&mut rest) {
            keep(&mut decoder);
        }
        assert!(rest.is_empty());
    }
    if decoder.finish() {
        keep(&mut decoder);
    }
    (found, decoder.report())
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (size, stream) = input;
    let pieces: Vec<&[u8]> = stream.chunks(size.max(1).into()).collect();
    for new in [MessageDecoder::new, MessageDecoder::shared] {
        assert_eq!(decode(new(300), &pieces), decode(new(300), &[&stream]));
    }
});
