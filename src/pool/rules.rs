//! What a pool's builder says of answers that mean something else than their status says.

use super::PoolBuilder;
use crate::retry::ResponseRule;

impl PoolBuilder {
    /// Adds a rule for answers whose status does not say what happened, such as an error in a
    /// 200; it is looked at after those that were added before. None by default, and then no
    /// body is looked at.
    pub fn response_rule(mut self, rule: ResponseRule) -> Self {
        self.config.response_rules.push(rule);
        self
    }

    /// Adds several [rules](Self::response_rule), in their order.
    pub fn response_rules(mut self, rules: impl IntoIterator<Item = ResponseRule>) -> Self {
        self.config.response_rules.extend(rules);
        self
    }
}
