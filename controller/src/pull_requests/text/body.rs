//! Title and text of a pull request: everything that a reviewer needs who sees nothing else.

use std::fmt::Write as _;

use autopilot_shared::Quantity;
use autopilot_shared::api::{ActionApproval, InvolvedObject, LABEL_OBJECT, LABEL_RULE, Measured, Proposal};
use autopilot_shared::text::ellipsize;
use kube::ResourceExt as _;

use super::marker::Marker;
use super::safe::{code, slug};

/// GitHub refuses longer titles.
const LONGEST_TITLE: usize = 256;
/// GitHub refuses texts above 65,536; people add to them.
pub const LONGEST_BODY: usize = 58_000;
/// Part of it that the facts may take, in bytes.
const LONGEST_FACTS: usize = 45_000;
/// Entries of a list that are shown.
const ENTRIES: usize = 10;

/// Returns the message of the commit that adds the file.
pub fn message(approval: &ActionApproval) -> String {
    let namespace = slug(&approval.namespace().unwrap_or_default());
    let rule = slug(&rule(approval));
    format!("[Autopilot] approval for rule {namespace}/{} rule: {rule}", slug(&approval.name_any()))
}

/// Returns the title of the pull request: the message, as far as it fits.
pub fn title(approval: &ActionApproval) -> String {
    ellipsize(&message(approval), LONGEST_TITLE).into_owned()
}

/// Returns the message of the commit that removes files. `others` are path and content of the files that keep the
/// documents of others.
pub fn deletion(paths: &[String], others: &[(String, String)]) -> String {
    let mut text = format!("[Autopilot] deleting file: {}", paths.join(" "));
    if !others.is_empty() {
        let kept: Vec<&str> = others.iter().map(|(path, _)| path.as_str()).collect();
        let _ = write!(text, "\n\nWhat others had added to it stays: {}", kept.join(" "));
    }
    text
}

fn rule(approval: &ActionApproval) -> String {
    let named = approval.rule_name().filter(|name| !name.is_empty());
    let labelled = || approval.labels().get(LABEL_RULE).map(String::as_str);
    named.or_else(labelled).unwrap_or_default().to_owned()
}

/// Returns the text of the pull request.
pub fn body(cluster: &str, approval: &ActionApproval, proposal: &Proposal, marker: &Marker) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "**Autopilot asks to {} a volume from {} to {}.** Merging this pull request approves it, closing it \
         declines it.\n",
        code(&proposal.action),
        code(&proposal.from),
        code(&proposal.to),
    );
    facts(&mut text, cluster, approval, proposal);
    consequences(&mut text, approval);
    format!("{}\n\n{}\n", text.trim_end(), marker.line())
}

fn facts(text: &mut String, cluster: &str, approval: &ActionApproval, proposal: &Proposal) {
    let mut line = |what: &str, value: &str| {
        // Whole lines or none: half a line would let a text out of its place.
        if text.len() + what.len() + value.len() < LONGEST_FACTS {
            let _ = writeln!(text, "- {what}: {value}");
        }
    };
    line("Cluster", &code(cluster));
    let objects: Vec<&InvolvedObject> =
        approval.previews().iter().flat_map(|p| &p.involved_objects).collect();
    for object in objects.iter().take(ENTRIES) {
        let volume = match object.uid.as_str() {
            "" => String::new(),
            uid => format!(", volume {}", code(uid)),
        };
        line("Object", &format!("{} {}{volume}", code(&object.kind), code(&full_name(object))));
        for owner in object.owner_references.iter().flatten().take(ENTRIES) {
            line("Used by", &format!("{} {}", code(&owner.kind), code(&owner.name)));
        }
    }
    if objects.is_empty() {
        let object = approval.labels().get(LABEL_OBJECT).map(String::as_str).unwrap_or_default();
        line("Object", &code(object));
    }
    line("Rule", &code(&rule(approval)));
    for measured in proposal.measured.iter().take(ENTRIES) {
        line("Measured", &sentence(measured));
    }
    if proposal.measured.len() > ENTRIES {
        line("Measured", &format!("{} more conditions", proposal.measured.len() - ENTRIES));
    }
    line("Size now", &code(&proposal.from));
    line("Size after", &format!("{}{}", code(&proposal.to), growth(proposal)));
    for (name, value) in proposal.params.iter().flatten().take(ENTRIES) {
        line("Parameter", &format!("{} = {}", code(name), code(value)));
    }
    if let Some(at) = &proposal.at {
        line("Proposed", &format!("{}", at.0.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    line("Approval", &code(&name(approval)));
    line("Proposal", &code(&proposal.digest));
}

/// Writes a value beside its threshold.
fn sentence(measured: &Measured) -> String {
    let values: Vec<&str> = measured.values.iter().map(String::as_str).collect();
    let test = match measured.operator.as_str() {
        "Gt" => "above ",
        "GtEq" => "at least ",
        "Lt" => "below ",
        "LtEq" => "at most ",
        _ => "",
    };
    let test = match test {
        "" => format!("{} {}", code(&measured.operator), code(&values.join(" "))),
        words => format!("{words}{}", code(&values.join(" "))),
    };
    format!("{} is {}; the rule acts when it is {test}", code(&measured.key), code(&measured.value))
}

fn growth(proposal: &Proposal) -> String {
    let bytes = |text: &str| text.parse::<Quantity>().ok().and_then(|q| q.bytes()).filter(|b| *b > 0);
    match (bytes(&proposal.from), bytes(&proposal.to)) {
        (Some(from), Some(to)) if to >= from => {
            format!(" (+{} %)", (i128::from(to) - i128::from(from)) * 100 / i128::from(from))
        }
        _ => String::new(),
    }
}

fn full_name(object: &InvolvedObject) -> String {
    match object.namespace.as_str() {
        "" => object.name.clone(),
        namespace => format!("{namespace}/{}", object.name),
    }
}

fn name(approval: &ActionApproval) -> String {
    format!("{}/{}", approval.namespace().unwrap_or_default(), approval.name_any())
}

/// Returns a kubectl command about the approval, as inline code.
pub(crate) fn kubectl(approval: &ActionApproval, command: &str) -> String {
    let (namespace, name) = (slug(&approval.namespace().unwrap_or_default()), slug(&approval.name_any()));
    code(&format!("kubectl {command} actionapproval -n {namespace} {name}"))
}

fn consequences(text: &mut String, approval: &ActionApproval) {
    let delete = kubectl(approval, "delete");
    let _ = write!(
        text,
        "\n### What happens next\n\n\
         - **Merge**: once the GitOps tool has applied the file to the cluster, the volume is resized, once. The \
         controller then removes the file again. A volume cannot be made smaller afterwards.\n\
         - **Close**: nothing is done, and nothing is asked again for this volume until somebody deletes the approval: \
         {delete}\n\
         - **Leave it open**: nothing is done. When the rule or the volume changes, or the volume is no longer full, \
         the question is taken back and this pull request is closed.\n\
         - Please do not edit the file: it counts only as it is.\n\
         - It can also be decided in the cluster, with `spec.approvalState` of the approval; this pull request is then \
         closed.\n"
    );
}
