//! Messages as typed values: what has none is named, not passed over.

use ironpipe::framing::MAX_LINE;
use ironpipe::reader::{MessageReader, Next};

/// Two columns whose names differ in a lone surrogate alone: two for Dagster, one for Rust.
const NO_TYPED_VALUE: &str = concat!(
    r#"{"method":"report_asset_materialization","params":{"asset_key":"a","data_version":null,"#,
    r#""metadata":{"m":{"type":"table_column_lineage","raw_value":{"deps_by_column":{"c":["#,
    r#"{"asset_key":["a"],"column_name":"\ud800"},{"asset_key":["a"],"column_name":"\ud801"}"#,
    r#"]}}}}}}"#,
);
const LOG: &str = r#"{"method":"log","params":{"message":"x"}}"#;

#[test]
fn a_message_without_a_typed_value_is_set_aside() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{LOG}\n{NO_TYPED_VALUE}\n{LOG}\n")).unwrap();
    let mut reader = MessageReader::read(file.path(), MAX_LINE).unwrap();
    for _ in 0..2 {
        assert!(matches!(reader.next(None).unwrap(), Next::Message(_)));
    }
    assert_eq!(reader.next(None).unwrap(), Next::Ended);
    let report = reader.handle().report();
    assert_eq!((report.delivered, report.rejected_count), (2, 1));
    assert_eq!(report.rejected[0].offset, LOG.len() as u64 + 1);
    assert!(report.rejected[0].reason.contains("twice"), "{report}");
}
