//! Every output of the card.
