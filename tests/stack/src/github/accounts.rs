//! The accounts of GitHub, and its only repository.

/// Token of the repository's owner, a person who reviews and merges; protected branches are open to her alone.
pub const OWNER_TOKEN: &str = "stack-github-token-of-the-owner";
/// Token of `autopilot-bot`, for the controller under test.
pub const BOT_TOKEN: &str = "stack-github-token-of-the-bot";
/// Another token of `autopilot-bot`, e.g. to replace the first one at run time.
pub const BOT_TOKEN_2: &str = "stack-github-second-token-of-the-bot";
/// Token of `alice`, a reviewer who may push.
pub const ALICE_TOKEN: &str = "stack-github-token-of-alice";
/// Token of `other-bot`, another program that may push.
pub const OTHER_BOT_TOKEN: &str = "stack-github-token-of-the-other-bot";
/// Token of `mallory`, who may read and fork, and push nowhere but to the fork.
pub const OUTSIDER_TOKEN: &str = "stack-github-token-of-mallory";

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The login.
    pub login: String,
    /// Tokens, at least one.
    pub tokens: Vec<String>,
    /// Whether the account may push to the repository.
    pub pushes: bool,
}

impl Account {
    fn new(login: &str, tokens: &[&str], pushes: bool) -> Self {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        Self { login: login.into(), tokens, pushes }
    }
}

/// The repository and the accounts. By default the repository is `platform/flux-get-started` with a README on `main`, and
/// the accounts are those of the tokens above.
#[derive(Debug, Clone)]
pub struct GitHubOptions {
    /// Login of the repository's owner, one of the accounts.
    pub owner: String,
    /// Name of the repository.
    pub name: String,
    /// Its default branch.
    pub base: String,
    /// The accounts.
    pub accounts: Vec<Account>,
}

impl Default for GitHubOptions {
    fn default() -> Self {
        Self {
            owner: "platform".into(),
            name: "flux-get-started".into(),
            base: "main".into(),
            accounts: vec![
                Account::new("platform", &[OWNER_TOKEN], true),
                Account::new("autopilot-bot", &[BOT_TOKEN, BOT_TOKEN_2], true),
                Account::new("alice", &[ALICE_TOKEN], true),
                Account::new("other-bot", &[OTHER_BOT_TOKEN], true),
                Account::new("mallory", &[OUTSIDER_TOKEN], false),
            ],
        }
    }
}
