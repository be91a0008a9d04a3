//! From the raw shape to the checked model.
