//! The controller is killed before and after each kind of write to GitHub, and the answer to each is lost.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use autopilot_stack::{Action, Fired, KillWhen, Match, RuleId};
use autopilot_tests::gitops::GitOpsScene;

use crate::scenario::{WRITES, play};

async fn with_kills(gitops: &GitOpsScene, name: &str, when: KillWhen) -> Result<()> {
    let fired: RefCell<Vec<Vec<Fired>>> = RefCell::default();
    let prepare = || {
        gitops.forge.clear_rules();
        let hooks = WRITES.iter().map(|(method, path)| {
            let request = Match::writes().method(method).path(path);
            gitops.controllers.restart_on(&gitops.forge, request, when)
        });
        fired.borrow_mut().push(hooks.collect());
    };
    play(gitops, name, 1, prepare).await?;
    let fired = fired.into_inner();
    for (at, (method, path)) in WRITES.iter().enumerate() {
        let times = fired.iter().filter(|part| part.get(at).is_some_and(Fired::has_fired)).count();
        ensure!(times > 0, "nobody was killed at {method} {path}");
    }
    Ok(())
}

pub(crate) async fn killed_before_each_write(gitops: &GitOpsScene) -> Result<()> {
    with_kills(gitops, "killed-before", KillWhen::BeforeForward).await
}

pub(crate) async fn killed_after_each_write(gitops: &GitOpsScene) -> Result<()> {
    with_kills(gitops, "killed-after", KillWhen::AfterForward).await
}

pub(crate) async fn the_answer_to_each_write_is_lost(gitops: &GitOpsScene) -> Result<()> {
    let rules: RefCell<Vec<Vec<RuleId>>> = RefCell::default();
    let prepare = || {
        let lost = WRITES.iter().map(|(method, path)| {
            gitops.forge.rule(Match::writes().method(method).path(path).times(1), Action::DropAnswer)
        });
        rules.borrow_mut().push(lost.collect());
    };
    play(gitops, "answers-lost", 1, prepare).await?;
    for (at, (method, path)) in WRITES.iter().enumerate() {
        let rules = rules.borrow();
        let times: usize =
            rules.iter().filter_map(|part| part.get(at)).map(|id| gitops.forge.applied(*id)).sum();
        ensure!(times > 0, "no answer to {method} {path} was lost");
    }
    Ok(())
}

pub(crate) async fn two_controllers_at_once_are_wasteful_and_never_wrong(gitops: &GitOpsScene) -> Result<()> {
    play(gitops, "two-at-once", 2, || {}).await
}
