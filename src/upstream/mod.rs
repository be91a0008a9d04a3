//! Where requests go: the servers and the pools of connections to them.
