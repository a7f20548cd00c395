# All inputs valid, then one broken per run. Mocked: needs neither AWS nor an emulator.

mock_provider "archive" {}

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
}

variables {
  description        = "A function."
  log_retention_days = 30
  name               = "revenium-metering"
  package            = "metering"
  role_name          = "revenium-metering-eu-central-1"
  runtime            = "python3.12"
  timeout_seconds    = 60

  functions = {
    ca_certificate_file      = "./tests/ca.pem"
    iam_path                 = "/platform/"
    log_level                = "DEBUG"
    permissions_boundary_arn = "arn:aws-us-gov:iam::123456789012:policy/boundary"
    reserved_concurrency     = { metering = 3 }
    roles                    = { authorizer = { arn = "arn:aws:iam::123456789012:role/own" } }
    tracing                  = true
    vpc                      = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] }
  }

  kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b" }
  tags    = { team = "platform" }
}

run "hands_on_what_the_functions_have_in_common" {
  command = plan

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ LOG_LEVEL = "DEBUG", REVENIUM_CA_FILE = "ca.pem" })
    error_message = "got ${jsonencode(aws_lambda_function.this.environment)}"
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 3 && aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "The concurrency and the tracing must be the function's."
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-1"])
    error_message = "got ${jsonencode(aws_lambda_function.this.vpc_config)}"
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key.arn && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key.arn
    error_message = "The environment and the log group must be encrypted with the key."
  }

  assert {
    condition     = aws_iam_role.this[0].path == "/platform/" && aws_iam_role.this[0].permissions_boundary == var.functions.permissions_boundary_arn
    error_message = "The role must have the path and the boundary."
  }

  assert {
    condition     = alltrue([for tags in [aws_lambda_function.this.tags, aws_cloudwatch_log_group.this.tags, aws_iam_role.this[0].tags] : tags.team == "platform"])
    error_message = "Function, log group and role must have the tags."
  }

  assert {
    condition     = local.package_files["ca.pem"] == file("./tests/ca.pem")
    error_message = "The certificate must be in the zip, under the name that the function is told."
  }
}

run "has_the_defaults_of_lambda_where_nothing_is_set" {
  command = plan

  variables {
    functions = {}
    kms_key   = null
    tags      = {}
  }

  assert {
    condition     = length(aws_lambda_function.this.environment) + length(aws_lambda_function.this.vpc_config) == 0
    error_message = "Nothing is set in the environment, and no VPC is joined."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1 && aws_lambda_function.this.tracing_config[0].mode == "PassThrough"
    error_message = "No concurrency is reserved, and no trace begun."
  }
}

run "takes_a_role_in_place_of_a_made_one" {
  command = plan

  variables {
    functions = { roles = { metering = { arn = "arn:aws:iam::123456789012:role/own" } } }
  }

  assert {
    condition     = aws_lambda_function.this.role == "arn:aws:iam::123456789012:role/own" && output.role_arn == "arn:aws:iam::123456789012:role/own"
    error_message = "got ${aws_lambda_function.this.role}"
  }

  assert {
    condition     = length(aws_iam_role.this) + length(aws_iam_role_policy.this) == 0
    error_message = "A role of the user's gets no policies, and no other is made."
  }
}

run "rejects_a_certificate_file_without_a_certificate" {
  command = plan

  variables {
    functions = { ca_certificate_file = "./main.tf" }
  }

  expect_failures = [var.functions]
}

run "rejects_a_certificate_file_that_is_not_there" {
  command = plan

  variables {
    functions = { ca_certificate_file = "./nowhere.pem" }
  }

  expect_failures = [var.functions]
}

run "rejects_an_iam_path_without_slashes" {
  command = plan

  variables {
    functions = { iam_path = "platform" }
  }

  expect_failures = [var.functions]
}

run "rejects_a_log_level_of_another_name" {
  command = plan

  variables {
    functions = { log_level = "VERBOSE" }
  }

  expect_failures = [var.functions]
}

run "rejects_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    functions = { permissions_boundary_arn = "arn:aws:iam::123456789012:role/boundary" }
  }

  expect_failures = [var.functions]
}

run "rejects_reserved_concurrency_of_another_function" {
  command = plan

  variables {
    functions = { reserved_concurrency = { stage_logging = 5 } }
  }

  expect_failures = [var.functions]
}

run "rejects_reserved_concurrency_below_3" {
  command = plan

  variables {
    functions = { reserved_concurrency = { metering = 2 } }
  }

  expect_failures = [var.functions]
}

run "rejects_reserved_concurrency_in_parts" {
  command = plan

  variables {
    functions = { reserved_concurrency = { metering = 3.5 } }
  }

  expect_failures = [var.functions]
}

run "rejects_a_role_of_another_function" {
  command = plan

  variables {
    functions = { roles = { billing = { arn = "arn:aws:iam::123456789012:role/own" } } }
  }

  expect_failures = [var.functions]
}

run "rejects_a_role_that_is_none" {
  command = plan

  variables {
    functions = { roles = { metering = { arn = "own" } } }
  }

  expect_failures = [var.functions]
}

run "rejects_a_vpc_without_subnets" {
  command = plan

  variables {
    functions = { vpc = { security_group_ids = ["sg-1"], subnet_ids = [] } }
  }

  expect_failures = [var.functions]
}

run "rejects_a_vpc_without_security_groups" {
  command = plan

  variables {
    functions = { vpc = { security_group_ids = [], subnet_ids = ["subnet-1"] } }
  }

  expect_failures = [var.functions]
}

run "rejects_an_alias_for_a_key" {
  command = plan

  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:alias/own" }
  }

  expect_failures = [var.kms_key]
}

run "rejects_a_tag_of_aws" {
  command = plan

  variables {
    tags = { "aws:owner" = "us" }
  }

  expect_failures = [var.tags]
}

run "rejects_a_tag_without_a_key" {
  command = plan

  variables {
    tags = { "" = "us" }
  }

  expect_failures = [var.tags]
}

run "rejects_a_tag_with_too_long_a_value" {
  command = plan

  variables {
    tags = { owner = join("", [for _ in range(257) : "x"]) }
  }

  expect_failures = [var.tags]
}

run "rejects_a_51st_tag" {
  command = plan

  variables {
    tags = { for number in range(51) : "tag${number}" => "x" }
  }

  expect_failures = [var.tags]
}
