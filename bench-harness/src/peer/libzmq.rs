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

use super::{Capabilities, Facts, Peer, PeerOptions, PeerSocket, SocketKind};

const DEFAULT_NAME: &str = "libzmq.so.5";
const IO_THREADS: c_int = 1;
const MAX_SOCKETS: c_int = 2;
const THREAD_AFFINITY_CPU_ADD: c_int = 7;
const SUBSCRIBE: c_int = 6;
const SNDBUF: c_int = 11;
const RCVBUF: c_int = 12;
const RCVMORE: c_int = 13;
const EVENTS: c_int = 15;
const SNDHWM: c_int = 23;
const RCVHWM: c_int = 24;
const LAST_ENDPOINT: c_int = 32;
const SNDMORE: c_int = 2;
const EINTR: c_int = 4;
const ETERM: c_int = 156_384_765;
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
    zmq_ctx_shutdown: fn(*mut c_void) -> c_int;
    zmq_ctx_term: fn(*mut c_void) -> c_int;
    zmq_proxy: fn(*mut c_void, *mut c_void, *mut c_void) -> c_int;
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

/// libzmq, opened, and what its sockets are made with.
pub struct Libzmq {
    context: Arc<Context>,
    options: PeerOptions,
}

impl Context {
    fn set(&self, option: c_int, value: i32, why: &str) -> Result<()> {
        // SAFETY: the context is live as long as `self`; wrong options only return an error.
        let result = unsafe { (self.api.zmq_ctx_set)(self.raw, option, value) };
        self.api.check(result, &format!("{why}: zmq_ctx_set"))
    }
}

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
        context.set(IO_THREADS, options.io_threads, "--io-threads")?;
        context.set(MAX_SOCKETS, options.max_sockets, "the number of sockets")?;
        for &core in &options.cpu_io {
            context.set(THREAD_AFFINITY_CPU_ADD, i32::try_from(core)?, "--cpu-io")?;
        }
        Ok(Self { context: Arc::new(context), options: options.clone() })
    }

    fn capabilities() -> Capabilities {
        Capabilities::all()
    }

    fn facts(&self) -> Facts {
        let api = &self.context.api;
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three valid pointers to int for the duration of the call: the locals above.
        unsafe { (api.zmq_version)(&mut major, &mut minor, &mut patch) };
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let path = file_mapped_at(&maps, api.zmq_version as usize as u64);
        let version = format!("libzmq {major}.{minor}.{patch}");
        Facts { version, path, ..Facts::default() }
    }

    fn socket(&self, kind: SocketKind) -> Result<Socket> {
        let number = match kind {
            SocketKind::Pub => 1,
            SocketKind::Sub => 2,
            SocketKind::Req => 3,
            SocketKind::Rep => 4,
            SocketKind::Dealer => 5,
            SocketKind::Router => 6,
            SocketKind::Pull => 7,
            SocketKind::Push => 8,
        };
        // SAFETY: the context must be live, and is while the `Arc` is; null is checked below.
        let raw = unsafe { (self.context.api.zmq_socket)(self.context.raw, number) };
        if raw.is_null() {
            return Err(self.context.api.error(&format!("zmq_socket for {kind:?}")));
        }
        let mut socket = Socket { context: Arc::clone(&self.context), raw };
        socket.set_int(SNDHWM, self.options.hwm_messages)?;
        socket.set_int(RCVHWM, self.options.hwm_messages)?;
        for (option, bytes) in
            [(SNDBUF, self.options.sndbuf_bytes), (RCVBUF, self.options.rcvbuf_bytes)]
        {
            if let Some(bytes) = bytes {
                socket.set_int(option, c_int::try_from(bytes)?)?;
            }
        }
        Ok(socket)
    }

    fn proxy(&self, front: Socket, back: Socket) -> Result<()> {
        let api = &self.context.api;
        // SAFETY: two live sockets of this thread, which own them until the call returns, and null
        // for no capture socket.
        unsafe { (api.zmq_proxy)(front.raw, back.raw, std::ptr::null_mut()) };
        // It returns only with an error; the one asked for is the end of the context.
        if api.errno() == ETERM { Ok(()) } else { Err(api.error("zmq_proxy")) }
    }

    fn shutdown(&self) {
        // SAFETY: the context is live while the `Arc` is; any thread may shut it down, repeatedly.
        unsafe { (self.context.api.zmq_ctx_shutdown)(self.context.raw) };
    }
}

/// The file whose mapping holds an address, by the kernel's list of mappings.
fn file_mapped_at(maps: &str, address: u64) -> Option<String> {
    maps.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (first, end) = words.next()?.split_once('-')?;
        let parse = |digits| u64::from_str_radix(digits, 16).ok();
        let inside = (parse(first)?..parse(end)?).contains(&address);
        inside.then(|| words.nth(4).map(str::to_owned))?
    })
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

    fn subscribe_to_all(&mut self) -> Result<()> {
        // SAFETY: a live socket; a null topic of length 0 is the empty topic, and nothing is read.
        let result =
            unsafe { (self.api().zmq_setsockopt)(self.raw, SUBSCRIBE, std::ptr::null(), 0) };
        self.api().check(result, "ZMQ_SUBSCRIBE")
    }

    #[inline(always)] // as for our own
    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.send_with(message, 0)
    }

    #[inline(always)]
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

    #[inline]
    fn send_part(&mut self, part: &[u8], more: bool) -> Result<()> {
        self.send_with(part, if more { SNDMORE } else { 0 })
    }

    /// A publisher looks for returned credit at most once per millisecond, and drops messages in
    /// between as if nothing had been read. Asking for its events makes it look.
    fn take_credit(&mut self) -> Result<()> {
        self.get_int(EVENTS).map(|_| ())
    }

    #[inline]
    fn recv_part(&mut self, buffer: &mut [u8]) -> Result<(usize, bool)> {
        let received = self.recv(buffer)?;
        let more = self.get_int(RCVMORE)?;
        Ok((received, more != 0))
    }
}

impl Socket {
    #[inline]
    fn get_int(&mut self, option: c_int) -> Result<c_int> {
        let (mut number, mut bytes): (c_int, _) = (0, size_of::<c_int>());
        let (value, length) = ((&raw mut number).cast(), &raw mut bytes);
        // SAFETY: a live socket and room for an int, with its length: the locals above, alive
        // throughout. A wrong length would let libzmq write beside the number.
        let result = unsafe { (self.api().zmq_getsockopt)(self.raw, option, value, length) };
        self.api().check(result, &format!("zmq_getsockopt {option}"))?;
        Ok(number)
    }

    #[inline]
    fn send_with(&mut self, part: &[u8], flags: c_int) -> Result<()> {
        loop {
            let (pointer, size) = (part.as_ptr().cast(), part.len());
            // SAFETY: a live socket and `size` readable bytes: the slice, borrowed throughout;
            // libzmq copies them before it returns.
            if unsafe { (self.api().zmq_send)(self.raw, pointer, size, flags) } != -1 {
                return Ok(());
            }
            if self.api().errno() != EINTR {
                return Err(self.api().error("zmq_send"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_that_holds_an_address_names_its_file() {
        let maps = "7f00-7f10 r-xp 00000000 08:01 12 /lib/one.so\n\
                    7f10-7f20 r-xp 00000000 08:01 13 /lib/two.so\n\
                    7f20-7f30 rw-p 00000000 00:00 0\n";
        assert_eq!(file_mapped_at(maps, 0x7f10).as_deref(), Some("/lib/two.so"));
        assert_eq!(file_mapped_at(maps, 0x7f25), None, "memory of no file");
        assert_eq!(file_mapped_at(maps, 0x8000), None);
    }
}
