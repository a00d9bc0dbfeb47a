// An empty assembly file lets module.go declare functions without a body.
