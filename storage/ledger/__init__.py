"""The ledger, the only writer of visit state. The API and the command line do not import it: an import contract checks this."""
