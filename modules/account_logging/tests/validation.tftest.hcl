# All inputs valid, then one broken per run. Mocked: needs neither AWS nor an emulator.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "ap-southeast-1" }
  }
}

variables {
  name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
}

run "accepts_valid_inputs" {
  command = plan

  assert {
    condition     = length(aws_iam_role.this.name) == 63
    error_message = "The longest `name` must leave room for the region."
  }
}

run "rejects_name_with_an_underscore" {
  command = plan

  variables {
    name = "revenium_logs"
  }

  expect_failures = [var.name]
}

run "rejects_name_one_character_too_long" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}
