use super::*;

fn vector(result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#)
}

fn sample(value: f64, text: &str) -> Sample {
    Sample { value, text: text.into(), ..Sample::default() }
}

#[test]
fn labels_meet_their_fields_and_the_rest_is_skipped() {
    let body = vector(
        r#"{"metric":{"__name__":"x","volumename":"pvc-1","cluster":"c\"q","namespace":"pg1",
            "persistentvolumeclaim":"data","pv":"pv-1","pool":"p"},"value":[1700000000.123,"42.5"]}"#,
    );
    let answer = parse(body.as_bytes()).unwrap();
    assert_eq!(
        answer.samples,
        [Sample {
            volume: Some("pvc-1".into()),
            namespace: Some("pg1".into()),
            claim: Some("data".into()),
            pv: Some("pv-1".into()),
            pool: Some("p".into()),
            ..sample(42.5, "42.5")
        }]
    );
    assert_eq!(answer.bytes, body.len());
}

#[test]
fn the_volume_is_label_pv_else_persistentvolume() {
    for (labels, pv) in [
        (r#""persistentvolume":"b""#, Some("b")),
        (r#""persistentvolume":"b","pv":"a""#, Some("a")),
        (r#""pv":"","persistentvolume":"b""#, Some("b")),
        (r#""pv":"\u00e9\n""#, Some("é\n")),
        (r#""pv":"""#, None),
        ("", None),
    ] {
        let body = vector(&format!(r#"{{"metric":{{{labels}}},"value":[1,"1"]}}"#));
        let answer = parse(body.as_bytes()).unwrap();
        assert_eq!(answer.samples[0].pv.as_deref(), pv, "{labels}");
    }
}

#[test]
fn every_value_that_go_writes_is_read() {
    for (text, value) in [
        ("0", 0.0),
        ("-0.5", -0.5),
        ("1e+06", 1e6),
        ("1.7976931348623157e+308", f64::MAX),
        ("5e-324", 5e-324),
        ("+Inf", f64::INFINITY),
        ("-Inf", f64::NEG_INFINITY),
    ] {
        let body = vector(&format!(r#"{{"metric":{{}},"value":[1,"{text}"]}}"#));
        assert_eq!(parse(body.as_bytes()).unwrap().samples, [sample(value, text)]);
    }
    let body = vector(r#"{"metric":{},"value":[1,"NaN"]}"#);
    assert!(parse(body.as_bytes()).unwrap().samples[0].value.is_nan());
}

#[test]
fn an_empty_vector_is_an_answer() {
    for body in
        [vector(""), r#"{"status":"success","data":{"resultType":"vector","result":null}}"#.to_owned()]
    {
        assert_eq!(parse(body.as_bytes()).unwrap().samples, []);
    }
}

#[test]
fn the_order_of_fields_and_unknown_fields_do_not_matter() {
    let body = r#" {"isPartial":false,"infos":["i"],"data":{"stats":{"a":[1]},
        "result":[{"value":[1,"2"],"metric":{"pool":"p"}}],"resultType":"vector"},
        "warnings":["w"],"status":"success"} "#;
    let answer = parse(body.as_bytes()).unwrap();
    assert_eq!(answer.samples[0].pool.as_deref(), Some("p"));
    assert_eq!((answer.warnings, answer.infos), (vec!["w".to_owned()], vec!["i".to_owned()]));
}

#[test]
fn native_histograms_are_counted_and_left_out() {
    let body = vector(
        r#"{"metric":{"pv":"h"},"histogram":[1,{"count":"3","sum":"2","buckets":[[0,"1","2","3"]]}]},
           {"metric":{"pv":"a"},"value":[1,"2"]}"#,
    );
    let answer = parse(body.as_bytes()).unwrap();
    assert_eq!((answer.samples.len(), answer.histograms), (1, 1));
}

#[test]
fn another_kind_of_result_is_named() {
    for (kind, result) in [
        ("scalar", r#"[1700000000.1,"1"]"#),
        ("string", r#"[1700000000,"text"]"#),
        ("matrix", r#"[{"metric":{},"values":[[1,"2"],[3,"4"]]}]"#),
        ("matrix", "[]"),
    ] {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
        assert_eq!(parse(body.as_bytes()).unwrap_err(), AnswerError::NotAVector { kind: kind.to_owned() });
    }
}

#[test]
fn a_failure_keeps_its_type_and_text_fit_to_show() {
    let long = "x".repeat(400);
    let body = format!(r#"{{"status":"error","errorType":"bad_data","error":"a\u001b[31m\nb {long}"}}"#);
    let Err(AnswerError::Failed { error_type, text }) = parse(body.as_bytes()) else {
        panic!("no failure");
    };
    assert_eq!(error_type, "bad_data");
    assert!(text.starts_with("a[31m b xxx"), "{text}");
    assert!(text.ends_with("x…"), "{text}");
    assert_eq!(text.chars().count(), 300);
}

#[test]
fn what_is_no_answer_is_told_in_words() {
    let long = format!("<html>{}", "é".repeat(5000));
    for (body, words) in [
        ("", "the body is empty"),
        ("  \n", "the body is empty"),
        ("<!DOCTYPE html>\n<title>x</title>", "starts with \"<!DOCTYPE html> <title>"),
        (long.as_str(), "starts with \"<html>éé"),
        ("[]", "no JSON"),
        (r#"{"status":"success","data":{"resultType":"vec"#, "ends in the middle"),
        (r#"{"status":"success"}"#, "no data"),
        (r#"{"kind":"Status","status":"Failure"}"#, "its status is \"Failure\""),
        (r#"{"status":1}"#, "line 1 column 11"),
        (&vector(r#"{"metric":{},"value":[1,"many"]}"#), "a sample's value"),
        (&vector(r#"{"metric":{},"value":[1,2]}"#), "line 1"),
        (&vector(r#"{"metric":{},"values":[]}"#), "1 elements of its vector are no samples"),
        (&format!("{} x", vector("")), "trailing characters"),
    ] {
        match parse(body.as_bytes()) {
            Err(AnswerError::Malformed { detail }) => assert!(detail.contains(words), "{body}: {detail}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_body_that_is_no_utf8_is_no_answer() {
    let body = [b"{\"status\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    assert!(matches!(parse(&body), Err(AnswerError::Malformed { .. })));
}
