//! Why an object of either kind is reconciled: one word for log and metrics.

/// What speaks for a pass. The first that holds is told in the log and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Status speaks of another generation.
    Edited,
    /// The requested-at or the assume-sent annotation asks for it.
    Requested,
    /// The conditions speak of a pause that is over.
    Unpaused,
    /// The password Secret is there again.
    SecretBack,
    /// The Secret may hold something that was not judged.
    SecretChanged,
    /// The tenant is another one, or as good as.
    TenantChanged,
    /// kubectl's annotation gives a metadata map another meaning.
    AnnotationChanged,
    /// Another resource of the user came into the way, or went out of it.
    OwnersChanged,
    /// Status announces a password that no pass has answered yet.
    PasswordPending,
    /// It is time for a resync or a retry.
    Due,
}

impl Why {
    /// Its word in the log and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Requested => "requested",
            Self::Unpaused => "unpaused",
            Self::SecretBack => "secret_back",
            Self::SecretChanged => "secret_changed",
            Self::TenantChanged => "tenant_changed",
            Self::AnnotationChanged => "annotation_changed",
            Self::OwnersChanged => "owners_changed",
            Self::PasswordPending => "password_pending",
            Self::Due => "due",
        }
    }
}
