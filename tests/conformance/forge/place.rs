//! The repository of the cases, and two who may write to it.

use anyhow::{Context as _, Result, ensure};
use autopilot_controller::pull_requests::github::{TokenSlot, TokenSource};
use autopilot_controller::pull_requests::{
    Author, Branch, Change, Forge as _, ForgeError, GitHub, NewPull, Pull,
};
use autopilot_shared::config::Config;
use jiff::Timestamp;
use serde_json::json;

/// Date of the commits, with more than git keeps.
const AT: Timestamp = Timestamp::constant(1_767_323_045, 678_000_000);

/// A repository and two who may write to it.
pub(crate) struct Place {
    /// Of the API.
    pub(crate) url: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) base: String,
    /// The controller's.
    pub(crate) token: String,
    pub(crate) login: String,
    /// Of somebody else.
    pub(crate) person_token: String,
    pub(crate) person: String,
}

impl Place {
    pub(crate) fn forge(&self) -> Result<GitHub> {
        let slot = TokenSlot::new();
        slot.put(Some(self.token.as_bytes()));
        self.forge_with(slot)
    }

    pub(crate) fn forge_with(&self, slot: TokenSlot) -> Result<GitHub> {
        self.forge_at(&self.name, slot)
    }

    pub(crate) fn forge_at(&self, repo: &str, slot: TokenSlot) -> Result<GitHub> {
        let text = json!({ "providers": [{ "name": "github", "type": "github-scm", "github": {
            "user": self.owner, "repo": repo, "folder": "approvals", "author": "Autopilot",
            "email": "bot@example.com", "baseUrl": self.url,
        } }] });
        let config = Config::parse(&text.to_string())?;
        let github = config.github.context("no provider of type github-scm")?;
        Ok(GitHub::new(&github, TokenSource::Slot(slot))?.spaced(std::time::Duration::ZERO))
    }

    pub(crate) async fn base_branch(&self, forge: &GitHub) -> Result<Branch> {
        forge.branch(&self.base).await?.context("no base branch")
    }

    pub(crate) fn change(&self, message: &str, add: &[(&str, &str)], remove: &[&str]) -> Change {
        Change {
            message: message.to_owned(),
            author: Author { name: "Autopilot".to_owned(), email: "bot@example.com".to_owned() },
            at: AT,
            add: add.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
            remove: remove.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    /// Creates a branch off the base with one file of its own.
    pub(crate) async fn branch_off(&self, forge: &GitHub, name: &str) -> Result<Branch> {
        let base = self.base_branch(forge).await?;
        let change =
            self.change(name, &[(&format!("approvals/{name}.yaml"), "approvalState: approved\n")], &[]);
        let commit = forge.commit(&base, &change).await?;
        forge.create_branch(name, &commit).await?;
        forge.branch(name).await?.context("the branch that was just created")
    }

    pub(crate) async fn pull(&self, forge: &GitHub, name: &str) -> Result<Pull> {
        self.branch_off(forge, name).await?;
        Ok(forge.open(&self.new_pull(name)).await?)
    }

    pub(crate) fn new_pull(&self, branch: &str) -> NewPull {
        NewPull {
            title: format!("[Autopilot] approval for rule {branch}"),
            body: "**10Gi** to <b>20Gi</b> `x` — ünï ☃\n\nsecond line\n".to_owned(),
            branch: branch.to_owned(),
            base: self.base.clone(),
        }
    }
}

pub(crate) fn invalid<T: std::fmt::Debug>(result: &Result<T, ForgeError>) -> Result<()> {
    ensure!(matches!(result, Err(ForgeError::Invalid(_))), "{result:?}");
    Ok(())
}

pub(crate) fn not_found<T: std::fmt::Debug>(result: &Result<T, ForgeError>) -> Result<()> {
    ensure!(matches!(result, Err(ForgeError::NotFound(_))), "{result:?}");
    Ok(())
}
