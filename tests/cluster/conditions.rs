//! Every row of the condition table.
