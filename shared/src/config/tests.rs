use std::path::PathBuf;

use super::*;

fn parse(yaml: &str) -> Config {
    Config::parse(yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"))
}

fn error(yaml: &str) -> String {
    match Config::parse(yaml) {
        Ok(config) => panic!("accepted: {config:?}\n{yaml}"),
        Err(error) => error.to_string(),
    }
}

fn prometheus(params: &str) -> PrometheusParams {
    let yaml = format!("providers:\n- name: p\n  type: prometheus\n  params: {params}\n");
    let config = parse(&yaml);
    config.provider(None).unwrap().params.clone()
}

const ALL: &str = "
providers:
- name: default
  type: prometheus
  params: url=http://metrics.example:9090
- name: second
  type: datadog
  params: auth=foo,url=http://datadog.example
- name: forge
  type: github-scm
  github:
    user: storage-team
    repo: cluster-config
    folder: approvals/east/
    author: Autopilot
    email: autopilot@example.com
gitops:
  name: other
  type: bitbucket-scm
  params:
    repo: cluster-config
    defaultReviewers: [ann, ben]
min_poll_interval: 4
";

#[test]
fn nothing_is_the_default() {
    for yaml in ["", "\n", "# only a comment\n", "---\n", "{}", "providers:\n", "providers: []\n", "null"] {
        assert_eq!(parse(yaml), Config::default(), "{yaml:?}");
    }
    let config = Config::default();
    let provider = config.provider(None).unwrap();
    assert_eq!(provider.name, "default");
    assert_eq!(provider.params.url, "http://px-prometheus:9090");
    assert_eq!(provider.params.timeout, Duration::from_secs(10));
    assert_eq!(provider.params.lookback, Duration::from_secs(300));
    assert_eq!(provider.params.max_answer, 33_554_432);
    assert!(provider.params.ignore_unhealthy_targets);
    assert_eq!(config.min_poll_interval, Duration::from_secs(5));
    assert_eq!(config.metrics_lag, Duration::from_secs(300));
    assert_eq!(config.cancel_after, Duration::from_secs(600));
}

#[test]
fn the_original_form_is_read_at_both_indentations() {
    let config = parse(ALL);
    let mut deeper = String::new();
    let mut inside = false;
    for line in ALL.lines() {
        inside = line == "providers:" || (inside && (line.starts_with([' ', '-'])));
        let indent = if inside && line != "providers:" { "  " } else { "" };
        deeper += &format!("{indent}{line}\n");
    }
    assert_ne!(deeper, ALL);
    assert_eq!(parse(&deeper), config);

    assert_eq!(config.min_poll_interval, Duration::from_secs(4));
    assert_eq!(config.metric_providers.len(), 2);
    assert_eq!(config.provider(None).unwrap().params.url, "http://metrics.example:9090");
    let github = config.github.unwrap();
    assert_eq!(github.folder, "approvals/east");
    assert_eq!(github.branch, None);
    assert_eq!(github.poll_interval, Duration::from_secs(30));
    assert_eq!(
        config.other_forges,
        [OtherForge { name: "other".to_owned(), type_: "bitbucket-scm".to_owned() }]
    );
}

#[test]
fn the_later_form_and_our_keys_are_read() {
    let config = parse(
        "
gitops:
  name: forge
  type: github-scm
  params:
    user: storage-team
    repo: '2024'
    folder: .
    author: Autopilot
    email: autopilot@example.com
    baseUrl: https://git.example.com/api/v3/
    branch: release/1.0
    labels: [storage]
    reviewers: [ann]
    pollInterval: '45'
    clusterName: 007
metricsLag: '10'
cancelAfter: 0
suspend: true
",
    );
    let github = config.github.unwrap();
    assert_eq!(github.folder, "");
    assert_eq!(github.repo, "2024");
    assert_eq!(github.base_url.as_deref(), Some("https://git.example.com/api/v3"));
    assert_eq!(github.branch.as_deref(), Some("release/1.0"));
    assert_eq!(github.labels, ["storage"]);
    assert_eq!(github.reviewers, ["ann"]);
    assert_eq!(github.poll_interval, Duration::from_secs(45));
    assert_eq!(github.cluster_name.as_deref(), Some("007"));
    assert_eq!(config.metrics_lag, Duration::from_secs(10));
    assert_eq!(config.cancel_after, Duration::ZERO);
    assert!(config.suspend);
}

#[test]
fn params_are_a_text_or_a_map() {
    let text = prometheus(
        "url=https://p.example:9090/prom/, username=u,password=a=b==,ca_file=/etc/ca.pem,timeout=3,\
         lookback=60,max_answer=4096,ignore_unhealthy_targets=false",
    );
    let map = prometheus(
        "\n    url: https://p.example:9090/prom/\n    username: u\n    password: a=b==\n    \
         ca_file: /etc/ca.pem\n    timeout: 3\n    lookback: '60'\n    \
         max_answer: 4096\n    ignore_unhealthy_targets: false",
    );
    assert_eq!(text, map);
    assert_eq!(text.url, "https://p.example:9090/prom");
    assert_eq!(text.ca_file, Some(PathBuf::from("/etc/ca.pem")));
    assert_eq!(
        text.auth,
        Auth::Basic { username: "u".to_owned(), password: SecretSource::Inline(Secret::new("a=b==")) }
    );
    assert_eq!(
        prometheus("token_file=/var/run/token").auth,
        Auth::Bearer(SecretSource::File(PathBuf::from("/var/run/token")))
    );
    // A password is text, however it looks.
    let numeric = prometheus("{username: u, password: 1_000}");
    assert!(
        matches!(numeric.auth, Auth::Basic { password: SecretSource::Inline(p), .. } if p.expose() == "1_000")
    );
    let numeric = prometheus("{token: 1e5}");
    assert!(matches!(numeric.auth, Auth::Bearer(SecretSource::Inline(p)) if p.expose() == "1e5"));
    assert_eq!(prometheus(""), PrometheusParams::default());
    assert_eq!(prometheus("''"), PrometheusParams::default());
}

#[test]
fn a_provider_is_found_by_name_then_by_type() {
    let config = parse(
        "
providers:
- {name: datadog, type: prometheus, params: 'url=http://one'}
- {name: dd, type: datadog, params: {site: eu}}
- {name: third, type: prometheus, params: 'url=http://three'}
",
    );
    let url = |wanted: Option<&str>| config.provider(wanted).map(|p| p.params.url.clone());
    assert_eq!(url(Some("third")).unwrap(), "http://three");
    assert_eq!(url(Some("prometheus")).unwrap(), "http://one");
    assert_eq!(url(Some("datadog")).unwrap(), "http://one", "a name goes before a type");
    assert_eq!(url(None).unwrap(), "http://one");
    assert_eq!(url(Some("")).unwrap(), "http://one");
    let unsupported = url(Some("dd")).unwrap_err().to_string();
    assert!(unsupported.contains("\"dd\"") && unsupported.contains("datadog"), "{unsupported}");
    let unknown = url(Some("influx")).unwrap_err().to_string();
    assert!(unknown.contains("influx") && unknown.contains("\"third\" (prometheus)"), "{unknown}");

    let config = parse("providers: [{name: a, type: datadog}, {name: b, type: prometheus}]");
    assert_eq!(config.provider(None).unwrap().name, "b");
    let config = parse("providers: [{name: a, type: prometheus}, {name: default, type: prometheus}]");
    assert_eq!(config.provider(None).unwrap().name, "default");
    let config = parse("providers: [{name: a, type: datadog}]");
    assert!(matches!(config.provider(None), Err(ProviderError::Unsupported { .. })));
    // Only a forge is configured: metrics come from the default provider.
    let config = parse("gitops: {type: bitbucket-scm, params: {repo: r}}");
    assert_eq!(config.provider(None).unwrap().name, "default");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let github = |setting: &str| {
        let mut settings = vec!["user: u", "repo: r", "folder: f", "author: A", "email: a@b"];
        let key = setting.split(':').next().unwrap();
        settings.retain(|s| s.split(':').next().unwrap() != key);
        settings.push(setting);
        format!("gitops:\n  type: github-scm\n  params: {{{}}}\n", settings.join(", "))
    };
    let params = |params: &str| format!("providers:\n- {{name: p, type: prometheus, params: {params}}}\n");
    for (yaml, parts) in [
        ("providers: [".to_owned(), &["line 1, column"][..]),
        ("a: b: c".to_owned(), &["line 1, column"]),
        (
            "min_poll_interval: 5\nmin_pol: 3\n".to_owned(),
            &["line 2, column 1", "\"min_pol\"", "min_poll_interval"],
        ),
        ("providers:\n- name: a\n  typ: b\n".to_owned(), &["line 3, column 3", "\"typ\"", "type"]),
        ("suspend: true\nsuspend: true\n".to_owned(), &["line 2", "\"suspend\"", "twice"]),
        ("suspend: yes\n".to_owned(), &["line 1", "bool"]),
        ("- a\n".to_owned(), &["line 1", "expected"]),
        ("providers: url\n".to_owned(), &["line 1", "expected"]),
        ("min_poll_interval: 0\n".to_owned(), &["min_poll_interval: ", "from 1"]),
        ("min_poll_interval: 5s\n".to_owned(), &["min_poll_interval: ", "seconds"]),
        ("metricsLag: -1\n".to_owned(), &["metricsLag: ", "seconds"]),
        ("cancelAfter: 1.5\n".to_owned(), &["cancelAfter: ", "whole"]),
        ("providers: [{type: prometheus}]".to_owned(), &["providers[0].name", "missing"]),
        ("providers: [{name: a}]".to_owned(), &["providers[0].type", "missing"]),
        (
            "providers: [{name: a, type: prometheus}, {name: a, type: datadog}]".to_owned(),
            &["providers[1].name", "\"a\"", "unique"],
        ),
        (params("'urll=http://x'"), &["providers[0].params.urll", "no such setting", "max_answer"]),
        (params("{urll: x}"), &["providers[0].params.urll", "no such setting"]),
        (params("'url'"), &["providers[0].params.url", "no value"]),
        (params("'url=http://a,url=http://b'"), &["providers[0].params.url", "twice"]),
        (params("'url=prometheus:9090'"), &["providers[0].params.url", "http://"]),
        (params("'url=http://'"), &["providers[0].params.url"]),
        (params("'url=http://a b'"), &["providers[0].params.url"]),
        (params("'url=http://a?b=c'"), &["providers[0].params.url"]),
        (params("'timeout=0'"), &["providers[0].params.timeout", "from 1"]),
        (params("'timeout=soon'"), &["providers[0].params.timeout", "seconds"]),
        (params("'max_answer=1'"), &["providers[0].params.max_answer", "bytes"]),
        (params("'ignore_unhealthy_targets=maybe'"), &["ignore_unhealthy_targets", "true or false"]),
        (params("'username=u'"), &["providers[0].params.username", "password_file"]),
        (params("'password=p'"), &["providers[0].params.username", "missing"]),
        (params("'token=a,token_file=b'"), &["providers[0].params.token_file", "not both"]),
        (params("'username=u,password=p,token=t'"), &["providers[0].params.token", "not both"]),
        (params("{url: [a]}"), &["line 2"]),
        (params("[a]"), &["line 2"]),
        ("providers: [{name: g, type: github-scm}]".to_owned(), &["providers[0].github", "missing"]),
        ("providers: [{name: g, type: github-scm, github: {users: u}}]".to_owned(), &["line 1", "\"users\""]),
        ("providers: [{name: g, type: prometheus, github: {user: u}}]".to_owned(), &["providers[0].github"]),
        ("gitops: {params: {a: b}}".to_owned(), &["gitops.type", "missing"]),
        ("gitops: {type: bitbucket-scm}".to_owned(), &["gitops.params", "missing"]),
        ("gitops: {type: bitbucket-scm, params: {}}".to_owned(), &["gitops.params", "missing"]),
        (github("user: ''"), &["gitops.params.user", "missing"]),
        (github("user: a/b"), &["gitops.params.user", "bare name"]),
        (github("repo: .."), &["gitops.params.repo", "bare name"]),
        (github("folder: /etc"), &["gitops.params.folder", "relative"]),
        (github("folder: a/../../b"), &["gitops.params.folder", "'..'"]),
        (github("folder: .git/hooks"), &["gitops.params.folder", ".git"]),
        (github("email: nobody"), &["gitops.params.email", "bot@example.com"]),
        (github("author: 'A <a@b>'"), &["gitops.params.author", "name only"]),
        (github("author: \"A\\nB\""), &["gitops.params.author", "one line"]),
        (github("branch: a..b"), &["gitops.params.branch"]),
        (github("baseUrl: git.example.com"), &["gitops.params.baseUrl", "http://"]),
        (github("labels: ['']"), &["gitops.params.labels[0]", "missing"]),
        (github("pollInterval: 0"), &["gitops.params.pollInterval", "from 1"]),
        (github("projectKey: P"), &["gitops.params", "projectKey"]),
        (
            github("user: v")
                + "providers: [{name: g, type: github-scm, github: {user: u, repo: r, folder: f, \
                                 author: A, email: a@b}}]\n",
            &["gitops", "only one"],
        ),
    ] {
        let error = error(&yaml);
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in: {error}\n{yaml}");
        }
    }
}

#[test]
fn no_message_holds_a_secret() {
    const SECRET: &str = "hunter2-hunter2";
    let tail = "hunter3-hunter3";
    let provider = "providers:\n- name: a\n  type: prometheus\n  params:";
    for yaml in [
        format!("providers: url=http://a,password={SECRET}\n"),
        format!("{provider} 'password={SECRET}'\n"),
        format!("{provider} 'username=u,password={SECRET},{tail}=x'\n"),
        format!("{provider} 'username=u,password={SECRET},timeout={tail}'"),
        format!("{provider} 'token={SECRET},{tail}'\n"),
        format!("{provider} 'token={SECRET},password={tail}'\n"),
        format!("{provider} 'url=http://u:{SECRET}@host'\n"),
        format!("{provider} {{password: [{SECRET}]}}\n"),
        format!("{provider} {{password: {SECRET}: {tail}}}\n"),
        format!("{provider}\n    password: {SECRET}\n   token: b\n"),
        format!("{provider}\n    password: \"{SECRET}\n"),
        format!("{provider}\n    password: *{SECRET}\n"),
        format!("{provider}\n    password: !{SECRET} x\n"),
        format!("{provider}\n    token: @{SECRET}\n"),
        format!("suspend: {SECRET}\n"),
        format!("providers: [{{name: a, type: prometheus, github: {SECRET}}}]\n"),
        format!("gitops: {{type: github-scm, params: {{token: {SECRET}}}}}\n"),
        format!("gitops: {{type: github-scm, params: {{labels: {SECRET}}}}}\n"),
        format!("gitops: {{type: github-scm, params: {SECRET}}}\n"),
    ] {
        let error = error(&yaml);
        for secret in [SECRET, tail] {
            assert!(!error.contains(secret), "{error}\n{yaml}");
        }
    }
    let config = parse(&format!("providers: [{{name: a, type: prometheus, params: {{token: {SECRET}}}}}]"));
    let shown = format!("{config:?}");
    assert!(!shown.contains(SECRET) && shown.contains("***"), "{shown}");
}

#[test]
fn every_setting_of_a_provider_that_is_known_is_also_taken() {
    let given = |key: &str| {
        let yaml = format!("providers:\n- name: p\n  type: prometheus\n  params: {{ {key}: x }}\n");
        Config::parse(&yaml)
    };
    let refused = given("no-such-key").unwrap_err().to_string();
    let (_, keys) = refused.split_once("there are ").unwrap();
    assert!(keys.contains("url, "), "{keys}");
    for key in keys.split(", ") {
        // One that nobody takes ends a debug build; whether `x` is a value for it does not matter here.
        let _ = given(key);
    }
}
