"""A small catalogue of rules, so that the suite can be tested without the contract's."""
