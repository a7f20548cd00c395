# All inputs valid, then one broken per run. Needs no AWS.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

run "accepts_valid_inputs" {
  command = plan

  variables {
    name = "shop"
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/shop-revenium"
    error_message = "got ${aws_kms_alias.this.name}"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "the key must rotate"
  }
}

run "rejects_a_name_with_other_characters" {
  command = plan

  variables {
    name = "shop_1"
  }

  expect_failures = [var.name]
}
