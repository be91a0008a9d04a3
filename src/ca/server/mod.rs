//! The authority as a process of its own: it alone has the key of the intermediate, and answers the gate on a Unix
//! socket. [`message`] is what the two say to each other, [`socket`] who may connect, [`serve`] the answering,
//! [`admission`] who is enrolled, [`rate`] how much may be asked for, and [`client`] the gate's side. What is done about a
//! request for a certificate stands in [`desk`]; the process around it is put together by `app::authority`.
//!
//! The gate says whom it has let in. A gate that was broken into can say anybody, so the authority judges by what
//! it knows itself: whether the account is there and active, and whether it is one of those that may be enrolled at
//! all; which profile the certificate gets; how many are given out in an hour.

pub mod admission;
pub mod client;
pub mod desk;
pub mod message;
pub mod rate;
pub mod serve;
pub mod socket;

#[cfg(test)]
mod tests;
