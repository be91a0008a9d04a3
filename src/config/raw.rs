//! The shape of the YAML file.
