//! A bootstrap value, whatever it is, is decoded or refused, and never unpacks beyond its limit.
#![no_main]

use ironpipe::protocol::bootstrap::{decode_param, decode_param_within, encode_param};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1000;

fuzz_target!(|text: &str| {
    // As it is, and as what a good one holds.
    for value in [text.to_owned(), encode_param(text)] {
        match decode_param_within(&value, LIMIT) {
            Ok(json) => {
                assert!(json.len() <= LIMIT);
                assert_eq!(decode_param(&encode_param(&json)), Ok(json));
            }
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
    assert_eq!(decode_param(&encode_param(text)).as_deref(), Ok(text));
});
