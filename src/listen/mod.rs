//! From a socket to a `Connection`: accept, limits, TLS. What is asked over it is `proxy`'s business.
