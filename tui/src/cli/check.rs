//! `check`: whether cluster, kinds and permissions are fine.

use crate::cli::exit_code::{DENIED, FAILED, OK};
use crate::cluster::error::classify;
use crate::cluster::{Source, access, fetch};
use crate::connection::Trouble;
use crate::text::Safe;

/// Says what is fine and what is not.
///
/// # Errors
/// When it cannot be printed.
pub async fn check(source: &Source, namespace: Option<&str>) -> anyhow::Result<u8> {
    let session = match source.open().await {
        Ok(session) => session,
        Err(error) => {
            outln!("no   kubeconfig: {error}");
            return Ok(FAILED);
        }
    };
    outln!("yes  context {} at {}", session.label.context, session.label.server);
    let client = session.client();
    let mut code = OK;
    match session.ask(client.apiserver_version()).await {
        Ok(version) => {
            outln!("yes  server answers, Kubernetes {}", Safe::new(&version.git_version))
        }
        Err(error) => {
            outln!("no   server: {}", classify(&error).1);
            return Ok(FAILED);
        }
    }
    match session.ask(access::identity(&client)).await {
        Ok(user) => outln!("yes  you are {user}"),
        Err(error) => {
            outln!("no   who you are: {}", classify(&error).1);
            code = FAILED;
        }
    }
    for plural in ["actionapprovals", "autopilotruleobjects", "autopilotrules"] {
        let within = namespace.filter(|_| plural != "autopilotrules");
        match fetch::list_some(&session, plural, within).await {
            Ok(()) => outln!("yes  {plural} can be listed"),
            Err(error) => {
                let (trouble, text) = classify(&error);
                let hint = match trouble {
                    Trouble::NoKinds => "Autopilot's CRDs are not installed: kubectl apply -k deploy",
                    _ => text.as_str(),
                };
                outln!("no   {plural}: {hint}");
                code = code.max(if trouble == Trouble::Forbidden { DENIED } else { FAILED });
            }
        }
    }
    let may = [
        ("watch", "actionapprovals", true),
        ("watch", "events", true),
        ("patch", "actionapprovals", false),
        ("delete", "actionapprovals", false),
    ];
    for (verb, plural, needed) in may {
        let within = if plural == "events" { Some("default") } else { namespace };
        match session.ask(access::may(&client, within, verb, plural)).await {
            Ok(Some(answer)) if answer.allowed => outln!("yes  you may {verb} {plural}"),
            Ok(None) => outln!("?    whether you may {verb} {plural}: the server cannot find out"),
            Ok(Some(answer)) => {
                outln!("no   {}", answer.reason);
                code = if needed { code.max(DENIED) } else { code };
            }
            Err(error) => {
                outln!("no   whether you may {verb} {plural}: {}", classify(&error).1);
                code = code.max(FAILED);
            }
        }
    }
    Ok(code)
}
