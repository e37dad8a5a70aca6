//! The operator is killed around every step of a plan.
