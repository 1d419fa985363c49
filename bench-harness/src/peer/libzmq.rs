//! The stock library, loaded at run time and driven through its C interface.
//!
//! Messages go through `zmq_send` and `zmq_recv` with a buffer prepared beforehand: no message
//! objects, which is its fastest simple path. All `unsafe` of the harness is here. Two facts carry
//! most of it and are upheld by the types: a [`Context`] outlives its sockets, because each holds
//! an `Arc` of it; and the code outlives both, because the context owns the loaded [`Api`].
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use libloading::Library;

use super::{Peer, PeerOptions, PeerSocket, SocketKind};

const DEFAULT_NAME: &str = "libzmq.so.5";
const IO_THREADS: c_int = 1;
const SNDHWM: c_int = 23;
const RCVHWM: c_int = 24;
const LAST_ENDPOINT: c_int = 32;
const EINTR: c_int = 4;
const ENDPOINT_BYTES_MAX: usize = 256;

/// Declares the table of C functions and how it is filled, so that each is named once.
macro_rules! api {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The C functions used. The library stays loaded as long as this lives.
        struct Api {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            _library: Library,
        }

        impl Api {
            fn resolve(library: Library) -> Result<Self, libloading::Error> {
                // SAFETY: each symbol must have the signature it is stored under. They are those of
                // zmq.h, unchanged since version 3; `load` opened a library by that name. Another
                // library with the same symbols and other signatures would break the calls below.
                // The pointers are copied out but stay valid: `_library` lives beside them.
                Ok(unsafe { Self { $($name: *library.get(stringify!($name))?,)* _library: library } })
            }
        }
    };
}

api! {
    zmq_ctx_new: fn() -> *mut c_void;
    zmq_ctx_set: fn(*mut c_void, c_int, c_int) -> c_int;
    zmq_ctx_term: fn(*mut c_void) -> c_int;
    zmq_socket: fn(*mut c_void, c_int) -> *mut c_void;
    zmq_close: fn(*mut c_void) -> c_int;
    zmq_setsockopt: fn(*mut c_void, c_int, *const c_void, usize) -> c_int;
    zmq_getsockopt: fn(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    zmq_bind: fn(*mut c_void, *const c_char) -> c_int;
    zmq_connect: fn(*mut c_void, *const c_char) -> c_int;
    zmq_send: fn(*mut c_void, *const c_void, usize, c_int) -> c_int;
    zmq_recv: fn(*mut c_void, *mut c_void, usize, c_int) -> c_int;
    zmq_version: fn(*mut c_int, *mut c_int, *mut c_int);
    zmq_errno: fn() -> c_int;
    zmq_strerror: fn(c_int) -> *const c_char;
}

impl Api {
    fn load(options: &PeerOptions) -> Result<Self> {
        let named = options.libzmq.as_deref();
        let path = named.unwrap_or(DEFAULT_NAME.as_ref());
        // SAFETY: the library's initialisers run here, so it must be one that may be loaded. libzmq
        // has only C++ static constructors without demands; a file named by the user is theirs to
        // answer for, and one with hostile initialisers could do anything.
        let library = unsafe { Library::new(path) };
        let library = match (library, named) {
            (Ok(library), _) => library,
            (Err(error), Some(path)) => {
                bail!("--libzmq {}: {error}; give the path of a libzmq.so.5", path.display())
            }
            (Err(error), None) => {
                bail!("libzmq not found: install libzmq5 or name it with --libzmq ({error})")
            }
        };
        Self::resolve(library).with_context(|| format!("{} is not a libzmq", path.display()))
    }

    fn errno(&self) -> c_int {
        // SAFETY: takes nothing and reads a thread-local; only an unloaded library would break it,
        // and `_library` keeps it loaded.
        unsafe { (self.zmq_errno)() }
    }

    /// The library's own words for the error that just happened on this thread.
    #[cold]
    fn error(&self, call: &str) -> anyhow::Error {
        let errno = self.errno();
        // SAFETY: zmq_strerror returns a static, zero-terminated text for any number; it is copied
        // before anything could unload the library.
        let text = unsafe { CStr::from_ptr((self.zmq_strerror)(errno)) };
        anyhow!("{call} failed: {} (errno {errno})", text.to_string_lossy())
    }

    fn check(&self, result: c_int, call: &str) -> Result<()> {
        if result == -1 { Err(self.error(call)) } else { Ok(()) }
    }
}

/// A `zmq_ctx_new` and the library it belongs to.
struct Context {
    api: Api,
    raw: *mut c_void,
}

// SAFETY: zmq.h documents contexts as thread-safe: any thread may create sockets on one or terminate
// it. `raw` is never changed after construction. A library that breaks its word would break this.
unsafe impl Send for Context {}
// SAFETY: as above; all that is shared is the context pointer, which any thread may use.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: `raw` must be a live context, terminated once. It was checked not null when made,
        // and this drop runs once; no socket uses it any more, since each holds an `Arc` of us.
        // The call waits until what was sent is with the kernel; EINTR only means asking again.
        while unsafe { (self.api.zmq_ctx_term)(self.raw) } == -1 && self.api.errno() == EINTR {}
    }
}

/// libzmq, opened.
pub struct Libzmq(Arc<Context>);

impl Peer for Libzmq {
    type Socket = Socket;

    fn open(options: &PeerOptions) -> Result<Self> {
        let api = Api::load(options)?;
        // SAFETY: no conditions; the result is checked for null below before any use.
        let raw = unsafe { (api.zmq_ctx_new)() };
        if raw.is_null() {
            return Err(api.error("zmq_ctx_new"));
        }
        let context = Context { api, raw };
        // SAFETY: the context was just made and not terminated; wrong options only return an error.
        let result = unsafe { (context.api.zmq_ctx_set)(raw, IO_THREADS, options.io_threads) };
        context.api.check(result, &format!("--io-threads {}: zmq_ctx_set", options.io_threads))?;
        Ok(Self(Arc::new(context)))
    }

    fn version(&self) -> String {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three valid pointers to int for the duration of the call: the locals above.
        unsafe { (self.0.api.zmq_version)(&mut major, &mut minor, &mut patch) };
        format!("libzmq {major}.{minor}.{patch}")
    }

    fn socket(&self, kind: SocketKind) -> Result<Socket> {
        let number = match kind {
            SocketKind::Req => 3,
            SocketKind::Rep => 4,
            SocketKind::Pull => 7,
            SocketKind::Push => 8,
        };
        // SAFETY: the context must be live, and is while the `Arc` is; null is checked below.
        let raw = unsafe { (self.0.api.zmq_socket)(self.0.raw, number) };
        if raw.is_null() {
            return Err(self.0.api.error(&format!("zmq_socket for {kind:?}")));
        }
        Ok(Socket { context: Arc::clone(&self.0), raw })
    }
}

/// A libzmq socket. Invariant: `raw` is a live socket of `context`, closed only by `drop`, and
/// used by one thread at a time: all calls take `&mut self`, and the raw pointer makes the type
/// neither `Send` nor `Sync`.
pub struct Socket {
    context: Arc<Context>,
    raw: *mut c_void,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: a live socket, closed once: the type's invariant, and drop runs once. A second
        // close would touch freed memory.
        unsafe { (self.context.api.zmq_close)(self.raw) };
    }
}

impl Socket {
    #[inline]
    fn api(&self) -> &Api {
        &self.context.api
    }

    fn set_int(&mut self, option: c_int, value: c_int) -> Result<()> {
        let pointer = (&raw const value).cast();
        // SAFETY: a live socket (the type's invariant) and a readable int of the stated size: the
        // parameter, alive throughout. A wrong size would make libzmq read beside it.
        let result =
            unsafe { (self.api().zmq_setsockopt)(self.raw, option, pointer, size_of::<c_int>()) };
        self.api().check(result, &format!("zmq_setsockopt {option} to {value}"))
    }
}

fn c_text(endpoint: &str) -> Result<CString> {
    CString::new(endpoint).with_context(|| format!("endpoint {endpoint:?} contains a zero byte"))
}

impl PeerSocket for Socket {
    fn set_hwm(&mut self, messages: i32) -> Result<()> {
        self.set_int(SNDHWM, messages)?;
        self.set_int(RCVHWM, messages)
    }

    fn bind(&mut self, endpoint: &str) -> Result<String> {
        let text = c_text(endpoint)?;
        // SAFETY: a live socket and a zero-terminated text that outlives the call: `text`.
        let result = unsafe { (self.api().zmq_bind)(self.raw, text.as_ptr()) };
        self.api().check(result, &format!("zmq_bind {endpoint}"))?;

        let mut bound = [0_u8; ENDPOINT_BYTES_MAX];
        let mut size = bound.len();
        let pointer = bound.as_mut_ptr().cast();
        // SAFETY: a live socket, and a buffer with its true size, which libzmq does not exceed; it
        // writes the size used back. Both are locals. A larger stated size would corrupt the stack.
        let result =
            unsafe { (self.api().zmq_getsockopt)(self.raw, LAST_ENDPOINT, pointer, &mut size) };
        self.api().check(result, "zmq_getsockopt LAST_ENDPOINT")?;
        let bound = CStr::from_bytes_until_nul(&bound).context("LAST_ENDPOINT has no end")?;
        Ok(bound.to_str().context("LAST_ENDPOINT is not text")?.to_owned())
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        let text = c_text(endpoint)?;
        // SAFETY: a live socket and a zero-terminated text that outlives the call: `text`.
        let result = unsafe { (self.api().zmq_connect)(self.raw, text.as_ptr()) };
        self.api().check(result, &format!("zmq_connect {endpoint}"))
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        loop {
            let (pointer, size) = (message.as_ptr().cast(), message.len());
            // SAFETY: a live socket and `size` readable bytes: the slice, borrowed throughout;
            // libzmq copies them before it returns.
            if unsafe { (self.api().zmq_send)(self.raw, pointer, size, 0) } != -1 {
                return Ok(());
            }
            if self.api().errno() != EINTR {
                return Err(self.api().error("zmq_send"));
            }
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let (pointer, size) = (buffer.as_mut_ptr().cast(), buffer.len());
            // SAFETY: a live socket and `size` writable bytes: the slice, borrowed mutably
            // throughout. libzmq cuts a larger message to `size` and returns its full length.
            let received = unsafe { (self.api().zmq_recv)(self.raw, pointer, size, 0) };
            match usize::try_from(received) {
                Ok(received) if received <= size => return Ok(received),
                Ok(received) => bail!("a message of {received} B came, at most {size} B expected"),
                Err(_) if self.api().errno() == EINTR => {}
                Err(_) => return Err(self.api().error("zmq_recv")),
            }
        }
    }
}
