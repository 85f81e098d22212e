use super::*;

fn context(json: &str) -> ContextData {
    ContextData::parse(json.as_bytes()).unwrap()
}

fn text<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

const FULL: &str = r#"{"asset_keys":["p/y"],"code_version_by_asset_key":{"p/y":"c1"},
    "provenance_by_asset_key":{"p/y":{"code_version":"c0","input_data_versions":{"x":"1"},"is_user_provided":true}},
    "partition_key":"2024-01-02","partition_key_range":{"start":"2024-01-02","end":"2024-01-02"},
    "partition_time_window":{"start":"2024-01-02T00:00:00+00:00","end":"2024-01-03T00:00:00+00:00"},
    "run_id":"r","job_name":null,"retry_number":2,"extras":{"k":[1]}}"#;

#[test]
fn what_dagster_writes() {
    let context = context(FULL);
    assert!(context.is_asset_step().unwrap() && context.is_partition_step().unwrap());
    assert_eq!(context.asset_key().unwrap(), "p/y");
    assert_eq!(context.code_version().unwrap(), Some("c1"));
    let provenance = context.provenance().unwrap().unwrap();
    assert_eq!(provenance.input_data_versions, [("x", "1")]);
    assert_eq!(context.partition_key().unwrap(), "2024-01-02");
    assert_eq!(context.partition_key_range().unwrap().end, "2024-01-02");
    assert!(context.partition_time_window().unwrap().is_some());
    assert_eq!(context.run_id().unwrap(), "r");
    assert_eq!(context.job_name().unwrap(), None);
    assert_eq!(context.retry_number().unwrap(), 2);
    assert_eq!(context.get_extra("k").unwrap(), &Value::from([1]));
    assert_eq!(
        text(context.get_extra("z")),
        "Extra `z` is undefined. Extras must be provided by user."
    );
}

#[test]
fn one_made_by_hand() {
    let context = context(r#"{"asset_keys": ["ferris"]}"#);
    assert_eq!(context.resolve_asset_key(None, "m").unwrap(), "ferris");
    assert_eq!(
        text(context.run_id()),
        "Missing required property: `run_id` is not in the Pipes context."
    );
    assert!(text(context.get_extra("k")).contains("`extras` is not in"));
}

#[test]
fn what_does_not_apply() {
    let nothing = context(
        r#"{"asset_keys":null,"provenance_by_asset_key":null,"partition_key":null,"partition_key_range":null}"#,
    );
    assert_eq!(
        text(nothing.asset_key()),
        "Missing required property: `asset_key` is undefined. Current step does not target an asset."
    );
    assert_eq!(
        text(nothing.provenance()),
        "Missing required property: `provenance` is undefined. Current step does not target an asset."
    );
    assert_eq!(
        text(nothing.partition_time_window()),
        "Missing required property: `partition_time_window` is undefined. Current step does not target any partitions."
    );
    let several = context(r#"{"asset_keys":["a","b"],"code_version_by_asset_key":{"a":null}}"#);
    for accessor in ["asset_key", "code_version"] {
        assert_eq!(
            text(several.check_access(accessor)),
            format!("`{accessor}` is undefined. Current step targets multiple assets.")
        );
    }
    assert!(text(several.check_access("nonsense")).contains("nonsense"));
}

#[test]
fn the_asset_of_a_report() {
    let several = context(r#"{"asset_keys":["a","it's"]}"#);
    assert_eq!(several.resolve_asset_key(Some("a"), "m").unwrap(), "a");
    assert_eq!(
        text(several.resolve_asset_key(Some("zz"), "m")),
        "Invalid asset key. Expected one of `['a', \"it's\"]`, got `zz`."
    );
    assert_eq!(
        text(several.resolve_asset_key(None, "m")),
        "Calling `m` without passing an asset key is undefined. Current step targets multiple assets."
    );
    for scope in ["null", "[]"] {
        let context = context(&format!(r#"{{"asset_keys":{scope}}}"#));
        assert_eq!(context.resolve_asset_key(Some("q"), "m").unwrap(), "q");
        assert_eq!(
            text(context.resolve_asset_key(None, "m")),
            "Calling `m` without passing an asset key is undefined. Current step does not target a specific asset."
        );
    }
}

#[test]
fn bad_contexts() {
    for (json, why) in [
        ("", "it is not JSON"),
        ("[]", "it must be an object, not an array"),
        (r#"{"asset_keys":"a"}"#, "`asset_keys` must be an array"),
        (r#"{"partition_key_range":{}}"#, "`start` and `end`"),
        (r#"{"extras":[]}"#, "`extras` must be an object"),
    ] {
        let error = ContextData::parse(json.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let error = text(ContextData::read("/no/such/context.json", 9));
    assert!(error.contains("/no/such/context.json") && error.contains("No such file"));
    assert!(text(ContextData::read("/", 9)).contains("Is a directory"));
}

#[test]
fn a_context_has_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("context");
    std::fs::write(&path, r#"{"x":1}"#).unwrap();
    assert!(ContextData::read(&path, 7).is_ok());
    let error = text(ContextData::read(&path, 6));
    assert!(
        error.contains("6 bytes") && error.contains("`max_context_bytes`"),
        "{error}"
    );
}
