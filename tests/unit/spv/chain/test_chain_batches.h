/* The second group of tests of the program unit_chain: how the chain accepts headers. */
#ifndef SPV_TESTS_UNIT_SPV_CHAIN_TEST_CHAIN_BATCHES_H
#define SPV_TESTS_UNIT_SPV_CHAIN_TEST_CHAIN_BATCHES_H

/* Runs them; returns how many failed. */
int batch_tests(void);

#endif
