//! Codes: every refusal has a stable number and says whose fault it is.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who has to change something for the same request to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The plugin (or the program that it runs).
    Plugin,
    /// The node.
    Node,
    /// Neither: two things happened at the same time.
    Neither,
}

macro_rules! codes {
    ($($number:literal $name:ident $fault:ident $words:literal,)+) => {
        /// Why something was refused or a connection ends. Numbers below 200
        /// end the connection; the others answer one request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        #[repr(u16)]
        pub enum Code {
            $(
                #[doc = $words]
                #[error($words)]
                $name = $number,
            )+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable number.
            #[must_use]
            pub fn number(self) -> u16 {
                self as u16
            }

            /// The code of a number.
            #[must_use]
            pub fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Whose fault it is.
            #[must_use]
            pub fn fault(self) -> Fault {
                match self {
                    $(Self::$name => Fault::$fault,)+
                }
            }

            /// Whether the connection ends with it.
            #[must_use]
            pub fn ends_connection(self) -> bool {
                self.number() < 200
            }
        }
    };
}

codes! {
    100 VersionUnsupported Plugin "no protocol version in common",
    101 Malformed Plugin "a frame's bytes are not a frame",
    102 FrameTooLong Plugin "a frame is longer than the limit",
    103 UnexpectedFrame Plugin "a frame that does not belong here",
    104 OutOfOrder Plugin "a frame's number skips others",
    105 Replayed Plugin "a frame's number was taken before",
    106 BadAcknowledgement Plugin "an acknowledgement of a frame that was never sent",
    107 BadLogin Plugin "the login's signature is not valid",
    108 LoginTimeout Plugin "no login in time",
    109 Silent Plugin "nothing was heard for too long",
    110 Flood Plugin "too many frames or bytes in too short a time",
    111 NotReading Plugin "too many frames are unacknowledged",
    112 NotBinary Plugin "a text message instead of a binary one",
    120 Superseded Neither "a newer connection of the same plugin took over",
    121 Finished Neither "the session was closed on request",
    130 NodeFull Node "the node has no room for another session",
    131 ShuttingDown Node "the node is stopping",
    132 NodeFault Node "the node failed; it is not the plugin's fault",
    200 NotRegistered Plugin "the plugin is not registered",
    201 Suspended Plugin "the plugin is suspended until its debt is repaid",
    202 AlreadyRegistered Plugin "the plugin is registered already",
    203 HeartbeatTooSoon Plugin "a heartbeat too soon after another",
    204 WrongSender Plugin "the message is signed by somebody else",
    205 BadSignature Plugin "the message's signature is not valid",
    206 StaleSequence Plugin "the message's sequence number is not above the last one",
    207 TaskNotOpen Plugin "the task is not assigned to this plugin",
    208 Late Plugin "the task's deadline and grace have passed",
    209 ProofMissing Plugin "the proof named by the message was not uploaded",
    210 ProofTooLong Plugin "the proof is longer than the limit",
    211 ProofHash Plugin "the uploaded bytes do not have the stated hash",
    212 ChunkMismatch Plugin "a piece does not continue what was uploaded before",
    213 ProofInvalid Plugin "the proof does not verify for the task's statement",
    214 TooManyUploads Plugin "too many unfinished uploads",
    215 NoSuchData Plugin "the node has no data with this digest",
    216 DataRange Plugin "the range is not inside the data or too long",
    217 WrongKind Plugin "the message's kind does not fit the task",
    218 TooManyMessages Plugin "too many messages wait for an answer",
    219 UploadBackoff Plugin "an invalid proof was uploaded a short time ago",
    230 ChangedMeanwhile Neither "the chain's state changed before the request was handled",
    231 NotAcceptedByRules Plugin "the chain's rules refuse the message; the reason says why",
    240 MempoolFull Node "the node's mempool is full",
    241 Busy Node "the node cannot handle the request now",
    242 Unavailable Node "the part of the node that is needed is not running",
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(s)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(d)?;
        Self::from_number(number).ok_or_else(|| serde::de::Error::custom(format_args!("unknown code {number}")))
    }
}
