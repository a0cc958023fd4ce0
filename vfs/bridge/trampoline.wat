;; Pyodide before 314 calls a module's PyInit function through a JavaScript import, _PyImport_InitFunc_TrampolineCall.
;; That JavaScript frame would forbid suspending in any import made while an extension module initialises
;; (pandas' do little else). This is the same call made in wasm.
(module
  (type $init (func (result i32)))
  (import "env" "__indirect_function_table" (table 0 funcref))
  (func (export "call") (param $function i32) (result i32)
    (call_indirect (type $init) (local.get $function))))
