;; Makes a function of JavaScript one that a table may hold.
(module
  (func (export "complete") (import "js" "complete")))
