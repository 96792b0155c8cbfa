//! What a coroutine answers when it is resumed.

/// Why [`Coroutine::resume`](crate::Coroutine::resume) returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "it says whether the coroutine is suspended or finished, and carries its value"]
pub enum CoroutineResult<Yield, Return> {
    /// The coroutine suspended itself with this value, and may be resumed.
    Yield(Yield),
    /// The body returned this value. The coroutine is finished.
    Return(Return),
}

impl<Yield, Return> CoroutineResult<Yield, Return> {
    /// The value of a coroutine that suspended itself.
    ///
    /// ```
    /// use dtact_switch::CoroutineResult;
    ///
    /// assert_eq!(CoroutineResult::<_, ()>::Yield(1).into_yield(), Some(1));
    /// assert_eq!(CoroutineResult::<u8, _>::Return(()).into_yield(), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn into_yield(self) -> Option<Yield> {
        match self {
            Self::Yield(value) => Some(value),
            Self::Return(_) => None,
        }
    }

    /// The value of a coroutine that is finished.
    ///
    /// ```
    /// use dtact_switch::CoroutineResult;
    ///
    /// assert_eq!(CoroutineResult::<(), _>::Return(1).into_return(), Some(1));
    /// assert_eq!(CoroutineResult::<_, u8>::Yield(()).into_return(), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn into_return(self) -> Option<Return> {
        match self {
            Self::Yield(_) => None,
            Self::Return(value) => Some(value),
        }
    }
}
