//! Passes over the metrics: who asks what, and what has a result.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::evaluate::facts::{QueryResult, RuleResults};
use crate::evaluate::queries::Part;
use crate::prometheus::Ask;

/// One rule in one pass.
#[derive(Debug)]
pub(crate) struct RulePass {
    /// The results so far.
    pub(crate) results: RuleResults,
    /// It includes a deep look.
    pub(crate) deep: bool,
    /// Queries without a result.
    open: usize,
}

impl RulePass {
    /// `open`: how many queries will be asked.
    pub(crate) fn new(results: RuleResults, open: usize, deep: bool) -> Self {
        RulePass { results, deep, open }
    }

    /// Goes on with so many more queries.
    pub(crate) fn deepen(self, open: usize) -> Self {
        RulePass { deep: true, open, ..self }
    }
}

/// One pass: all its queries carry the same time.
#[derive(Debug)]
struct Pass {
    began: Instant,
    rules: HashMap<Arc<str>, RulePass>,
    /// Queries, and who waits for their result.
    asked: HashMap<Ask, Asked>,
}

/// A query.
#[derive(Debug)]
enum Asked {
    /// Under way.
    Open(Vec<(Arc<str>, Part)>),
    /// With a result.
    Done(QueryResult),
}

/// The answer to a rule that wants the result of a query.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Nobody has asked it in this pass.
    Ask(Ask),
    /// It is under way for another part or rule.
    Waits,
    /// It has a result.
    Has(QueryResult),
    /// The pass is over.
    Over,
}

/// All passes under way.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    passes: HashMap<u64, Pass>,
    next: u64,
}

impl Passes {
    /// Begins a pass. Returns its number.
    pub(crate) fn begin(&mut self) -> u64 {
        let pass = Pass { began: Instant::now(), rules: HashMap::new(), asked: HashMap::new() };
        self.passes.insert(self.next, pass);
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn add_rule(&mut self, id: u64, name: &Arc<str>, rule: RulePass) {
        if let Some(pass) = self.passes.get_mut(&id) {
            pass.rules.insert(Arc::clone(name), rule);
        }
    }

    pub(crate) fn remove_rule(&mut self, id: u64, name: &str) {
        if let Some(pass) = self.passes.get_mut(&id) {
            pass.rules.remove(name);
        }
    }

    /// Notes that a rule wants the result of a query, which is asked once in a pass.
    pub(crate) fn wish(&mut self, id: u64, name: &Arc<str>, part: Part, ask: Ask) -> Wish {
        let Some(pass) = self.passes.get_mut(&id) else { return Wish::Over };
        match pass.asked.get_mut(&ask) {
            Some(Asked::Open(waiting)) => {
                waiting.push((Arc::clone(name), part));
                Wish::Waits
            }
            Some(Asked::Done(result)) => Wish::Has(result.clone()),
            None => {
                pass.asked.insert(ask.clone(), Asked::Open(vec![(Arc::clone(name), part)]));
                Wish::Ask(ask)
            }
        }
    }

    /// Takes the result of a query. Returns who asked for it.
    pub(crate) fn take_result(&mut self, id: u64, ask: &Ask, result: &QueryResult) -> Vec<(Arc<str>, Part)> {
        let Some(pass) = self.passes.get_mut(&id) else { return Vec::new() };
        let Some(Asked::Open(waiting)) = pass.asked.remove(ask) else { return Vec::new() };
        // Who has data at all is a long answer that is read once; a rule that comes later with the same query asks
        // again.
        if !waiting.iter().all(|(_, part)| matches!(part, Part::Present(_))) {
            pass.asked.insert(ask.clone(), Asked::Done(result.clone()));
        }
        waiting
    }

    /// Hands a result to one of the rules that asked. Returns the rule's part of the pass once it has all results.
    pub(crate) fn answer(
        &mut self,
        id: u64,
        name: &Arc<str>,
        part: Part,
        result: QueryResult,
    ) -> Option<RulePass> {
        let pass = self.passes.get_mut(&id)?;
        let rule = pass.rules.get_mut(name)?;
        rule.results.results.insert(part, result);
        rule.open -= 1;
        if rule.open > 0 {
            return None;
        }
        pass.rules.remove(name)
    }

    /// Ends a pass in which no rule is left. Returns how long it took.
    pub(crate) fn end_if_empty(&mut self, id: u64) -> Option<Duration> {
        self.passes.get(&id).filter(|pass| pass.rules.is_empty())?;
        self.passes.remove(&id).map(|pass| pass.began.elapsed())
    }
}
