;; Stands between CPython's libc and Emscripten's JavaScript syscalls, so that a read can wait for the network.
;;
;; JSPI suspends WebAssembly frames only: with a JavaScript frame between Python and the suspension it throws
;; SuspendError. Every call below is therefore wasm to wasm; JavaScript is asked first ("is anything missing?") and
;; has returned before the stack is suspended.
;;
;; Suspending is done as Pyodide's own JsvPromise_Syncify does it: save the shadow stack and the Python thread state,
;; wait, restore. Without that two suspended tasks overwrite each other. The three steps are called one by one, not
;; through JsvPromise_Syncify, because a SuspendError thrown by the middle one must still be followed by the third.
(module
  (type $open  (func (param i32 i32 i32 i32) (result i32)))
  (type $pread (func (param i32 i32 i32 i64 i32) (result i32)))
  (type $mmap  (func (param i32 i32 i32 i32 i64 i32 i32) (result i32)))
  (type $unary (func (param i32) (result i32)))
  (type $ensure  (func (result i32)))
  (type $release (func (param i32)))

  ;; What JavaScript answers: null, or a promise that never rejects.
  (import "hook" "open"        (func $missing_for_open  (param i32 i32 i32) (result externref)))
  (import "hook" "read"        (func $missing_for_read  (param i32 i32 i32 f64) (result externref)))
  (import "hook" "mmap"        (func $missing_for_mmap  (param i32) (result externref)))
  (import "hook" "dlopen"      (func $missing_for_dlopen (param i32) (result externref)))
  (import "hook" "dlopenLoad"  (func $dlopen_load (param i32) (result externref)))
  (import "hook" "dlopenSync"  (func $dlopen_sync (param i32)))
  (import "hook" "stateSaved"  (func $state_saved (param externref) (result i32)))

  ;; Pyodide's own imports.
  (import "pyodide" "saveState"      (func $save_state (result externref)))
  (import "pyodide" "get_suspender"  (func $get_suspender (result externref)))
  (import "pyodide" "syncifyHandler" (func $suspend (param externref externref) (result externref)))
  (import "pyodide" "restoreState"   (func $restore_state (param externref)))

  ;; The syscalls that are wrapped.
  (import "libc" "openat"   (func $openat (type $open)))
  (import "libc" "fd_read"  (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "libc" "fd_pread" (func $fd_pread (type $pread)))
  (import "libc" "mmap"     (func $mmap (type $mmap)))
  (import "libc" "dlopen"   (func $dlopen (type $unary)))

  ;; PyGILState_Ensure and PyGILState_Release, set once the interpreter's instance exists: libc calls run with the GIL
  ;; released (reads) and with it held (dlopen), and the thread state may be saved only by whoever holds it.
  (table (export "interpreter") 2 funcref)

  ;; Waits for $promise. 1: waited. 0: this stack cannot suspend, nothing was waited for.
  (func $wait (param $promise externref) (result i32)
    (local $gil i32) (local $state externref) (local $waited i32)
    (local.set $gil (call_indirect (type $ensure) (i32.const 0)))
    (local.set $state (call $save_state))
    (if (call $state_saved (local.get $state)) (then
      try
        (drop (call $suspend (call $get_suspender) (local.get $promise)))
        (local.set $waited (i32.const 1))
      catch_all
      end
      (call $restore_state (local.get $state))))
    (call_indirect (type $release) (local.get $gil) (i32.const 1))
    (local.get $waited))

  (func $wait_if_missing (param $promise externref)
    (if (i32.eqz (ref.is_null (local.get $promise))) (then (drop (call $wait (local.get $promise))))))

  (func (export "openat") (type $open) (param $dirfd i32) (param $path i32) (param $flags i32) (param $varargs i32) (result i32)
    (call $wait_if_missing (call $missing_for_open (local.get $dirfd) (local.get $path) (local.get $flags)))
    (call $openat (local.get $dirfd) (local.get $path) (local.get $flags) (local.get $varargs)))

  ;; A read is told to the hook as its vectors, their number and where it begins; negative: where the stream is.
  (func (export "fd_read") (param $fd i32) (param i32 i32 i32) (result i32)
    (call $wait_if_missing (call $missing_for_read (local.get $fd) (local.get 1) (local.get 2) (f64.const -1)))
    (call $fd_read (local.get $fd) (local.get 1) (local.get 2) (local.get 3)))

  (func (export "fd_pread") (type $pread) (param $fd i32) (param i32 i32 i64 i32) (result i32)
    (call $wait_if_missing
      (call $missing_for_read (local.get $fd) (local.get 1) (local.get 2) (f64.convert_i64_s (local.get 3))))
    (call $fd_pread (local.get $fd) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))

  (func (export "mmap") (type $mmap) (param i32 i32 i32) (param $fd i32) (param i64 i32 i32) (result i32)
    (call $wait_if_missing (call $missing_for_mmap (local.get $fd)))
    (call $mmap (local.get 0) (local.get 1) (local.get 2) (local.get $fd) (local.get 4) (local.get 5) (local.get 6)))

  ;; Emscripten reads a library from JavaScript, where nothing can suspend. So its bytes, and those of all it needs, are
  ;; awaited here; then it is compiled and linked asynchronously; the original call finds it loaded. Waiting for the
  ;; bytes comes first even when they are here: it shows whether this stack can suspend before linking has begun.
  (func (export "dlopen") (type $unary) (param $handle i32) (result i32)
    (local $bytes externref)
    (local.set $bytes (call $missing_for_dlopen (local.get $handle)))
    (if (i32.eqz (ref.is_null (local.get $bytes))) (then
      (if (call $wait (local.get $bytes))
        (then (call $wait_if_missing (call $dlopen_load (local.get $handle))))
        (else (call $dlopen_sync (local.get $handle))))))
    (call $dlopen (local.get $handle))))
