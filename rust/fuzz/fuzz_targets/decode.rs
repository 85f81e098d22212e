//! A line, whatever it is, is read or refused; what is read is sound, and the short way for plain
//! log lines agrees with the long one, which a space in front makes sure of.
#![no_main]

use ironpipe::protocol::decode::decode;
use ironpipe::protocol::message::Message;
use ironpipe::protocol::value::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let spaced = [b" ", line].concat();
    let long_way = decode(&spaced);
    let decoded = match decode(line) {
        Ok(decoded) => decoded,
        Err(rejection) => {
            assert!(rejection.at <= line.len() && !rejection.to_string().is_empty());
            // Behind a space it is refused too; but a byte order mark must be the first.
            assert!(long_way.is_err());
            return;
        }
    };
    let params = decoded.params(line);
    if !line.starts_with(b"\xEF\xBB\xBF") {
        let long_way = long_way.expect("only the long way refuses it");
        assert_eq!(decoded.method, long_way.method);
        assert_eq!(decoded.stamp, long_way.stamp);
        assert_eq!(decoded.repairs, long_way.repairs);
        assert_eq!(decoded.exact, long_way.exact);
        assert_eq!(params, long_way.params(&spaced));
        assert_eq!(decoded.text(line), long_way.text(&spaced));
        assert_eq!(decoded.label(line), long_way.label(&spaced));
    }

    let value = Value::parse(params).expect("params are JSON");
    assert!(value.is_null() || value.as_object().is_some());
    for (name, text) in [
        ("message", decoded.text(line)),
        ("text", decoded.text(line)),
        ("level", decoded.label(line)),
        ("stream", decoded.label(line)),
    ] {
        let mut read = String::new();
        text.read(&mut read);
        let mut points = Vec::new();
        text.code_points(&mut points);
        assert_eq!(points.len(), read.chars().count());
        if !text.literal.is_empty() && value.get(name).is_some() {
            assert_eq!(value.get(name).and_then(Value::as_str), Some(&*read));
        }
    }

    let message = Message::from_params(decoded.method, params).expect("a message has a type");
    assert_eq!(message.method(), decoded.method);
    let mut written = Vec::new();
    message.write_params(&mut written);
    let again = Message::from_params(decoded.method, &written).expect("what is written is read");
    let mut rewritten = Vec::new();
    again.write_params(&mut rewritten);
    assert_eq!(written, rewritten);
});
