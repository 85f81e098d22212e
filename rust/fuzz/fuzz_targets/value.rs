//! The value parser takes what the scanner takes, and what it writes reads back as the same.
#![no_main]

use ironpipe::protocol::scan::Scanner;
use ironpipe::protocol::value::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut scanner = Scanner::new(text);
    scanner.space();
    let scanned = scanner.value().and_then(|kind| {
        scanner.end()?;
        Ok(kind)
    });
    let is_utf8 = std::str::from_utf8(text).is_ok();
    if scanned.is_ok() && scanner.is_ascii() {
        assert!(is_utf8);
    }
    let parsed = Value::parse(text);
    assert_eq!(parsed.is_ok(), scanned.is_ok() && is_utf8);
    let (Ok(value), Ok(kind)) = (parsed, scanned) else {
        return;
    };
    assert_eq!(value.kind(), kind);

    // `NaN` is not equal to itself, its text is.
    let mut written = Vec::new();
    value.write_json(&mut written);
    let mut again = Vec::new();
    let read = Value::parse(&written).expect("what is written is read");
    assert_eq!(read.kind(), kind);
    read.write_json(&mut again);
    assert_eq!(written, again);
});
